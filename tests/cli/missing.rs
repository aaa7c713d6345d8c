//! What is missing or in another form comes with the way to get it.

use std::fs;

use serde_json::json;

use crate::data::tokenizer;
use crate::support::{read_json, read_lines};
use crate::workspace::Workspace;

const TEXTS: &str = "{\"text\": \"good\", \"label\": 1}\n";

#[test]
fn a_model_of_the_hub_comes_with_its_download() {
    let workspace = Workspace::new().with("teacher.model", json!("bert-base-uncased"));
    let folder = workspace.path("bert-base-uncased");
    let command = format!("hf download bert-base-uncased --local-dir {}", folder.display());
    workspace.refuses(&["there is no folder", "bert-base-uncased", &command]);
    let workspace = Workspace::new().with("student.model", json!("google/bert_uncased_L-2_H-128_A-2"));
    workspace.refuses(&["hf download google/bert_uncased_L-2_H-128_A-2 --local-dir"]);
}

#[test]
fn a_slow_tokenizer_comes_with_the_way_to_a_fast_one() {
    for slow in ["sentencepiece.bpe.model", "spiece.model"] {
        let workspace = Workspace::new();
        workspace.write("train.jsonl", TEXTS);
        let folder = workspace.path("student");
        fs::write(folder.join(slow), "[PAD]\n").unwrap();
        let python = format!("AutoTokenizer.from_pretrained(\"{0}\").save_pretrained(\"{0}\")", folder.display());
        workspace.refuses(&["student has no tokenizer.json", slow, "python3 -c", &python]);
        let arguments = ["eval", "--model", "student", "--data", "train.jsonl"];
        workspace.refuses_to(&arguments, &["student has no tokenizer.json", slow, "AutoTokenizer"]);
    }
}

#[test]
fn a_teacher_with_a_slow_tokenizer_does_not_read_the_students_tokens() {
    let workspace = Workspace::new();
    workspace.write("train.jsonl", "{\"text\": \"word5 word6\", \"label\": 1}\n");
    workspace.write("student/tokenizer.json", tokenizer(97));
    assert_eq!(workspace.start(&["check"]).code, 0);
    workspace.write("teacher/spiece.model", "[PAD]\n");
    workspace.refuses(&["teacher has no tokenizer.json", "spiece.model", "AutoTokenizer"]);
}

#[test]
fn a_vocabulary_makes_tokens_without_a_tokenizer_json() {
    let workspace = Workspace::new();
    workspace.write("train.jsonl", "{\"text\": \"Film good\", \"label\": 1}\n");
    workspace.write("student/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\ngood\n");
    let check = workspace.start(&["check"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    // The same vocabulary with other files beside it is another tokenizer, which is read.
    fs::copy(workspace.path("student/vocab.txt"), workspace.path("teacher/vocab.txt")).unwrap();
    assert_eq!(workspace.start(&["check"]).code, 0);
    workspace.write("teacher/added_tokens.json", "{\"new\": 1}");
    workspace.refuses(&["teacher/vocab.txt: not a tokenizer: added_tokens.json gives `new` the id 1"]);
    fs::remove_file(workspace.path("teacher/added_tokens.json")).unwrap();
    workspace.write("student/vocab.txt", "film\ngood\n");
    workspace.refuses(&["student/vocab.txt: not a tokenizer: it has no `<s>`, which begins or ends texts"]);
}

#[test]
fn pickled_weights_come_with_the_way_to_safetensors() {
    let workspace = Workspace::new();
    let weights = workspace.path("teacher/model.safetensors");
    fs::rename(weights, workspace.path("teacher/pytorch_model.bin")).unwrap();
    let without = "pytorch_model.bin: not weights that can be read without running what is in them";
    workspace.refuses(&[without, "python3 -c", "weights_only=True", "save_file"]);
}

#[test]
fn a_table_comes_with_the_way_to_jsonl() {
    for (ending, reader) in [("csv", "read_csv("), ("tsv", "sep="), ("parquet", "read_parquet(")] {
        let name = format!("train.{ending}");
        let workspace = Workspace::new().with("data.train", json!(name));
        workspace.write(&name, "text,label\n");
        workspace.refuses(&["is not supported", ".jsonl", "python3 -c", "pandas", reader, "train.jsonl"]);
    }
}

#[test]
fn an_error_of_the_system_is_there_once() {
    let workspace = Workspace::new();
    for arguments in [&["check", "--config", "nowhere.json"][..], &["check", "--set", "data.train=nowhere.jsonl"]] {
        let stderr = workspace.start(arguments).stderr;
        assert_eq!(stderr.matches("it does not exist").count(), 1, "{stderr}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let workspace = Workspace::new();
    let mark = |name: &str, text: String| workspace.write(name, format!("\u{feff}{text}"));
    for name in ["teacher/config.json", "student/config.json", "train.jsonl"] {
        mark(name, fs::read_to_string(workspace.path(name)).unwrap());
    }
    mark("marked.json", workspace.experiment.to_string());
    mark("marked.toml", "[teacher]\nmodel = \"teacher\"\n".to_owned());
    let finished = workspace.start(&["check", "--config", "marked.json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    // It is read: what is wrong with it is a key that is missing.
    workspace.refuses_to(&["check", "--config", "marked.toml"], &["marked.toml", "missing field `student`"]);
}

#[test]
fn types_have_plain_names() {
    let matched = |layer| json!([{ "layer_T": layer, "layer_S": 1, "feature": "hidden", "loss": "cos", "weight": 1 }]);
    let values = [
        (
            "training.num_epochs",
            json!("three"),
            r#"training.num_epochs: the text "three"; expected a whole number, 0 or more"#,
        ),
        ("data.batch_size", json!(0), "data.batch_size: 0; expected a whole number, 1 or more"),
        ("data.shuffle", json!("yes"), r#"data.shuffle: the text "yes"; expected true or false"#),
        ("training.tau", json!(true), "training.tau: true; expected a number"),
        ("student", json!("student"), r#"student: the text "student"; expected an object"#),
        ("plugins.callbacks", json!({}), "plugins.callbacks: an object; expected a list"),
        ("distillation.intermediate_matches", matched("last"), "expected a layer or a list of layers"),
    ];
    for (key, value, expected) in values {
        Workspace::new().with(key, value).refuses(&[expected]);
    }
    let workspace = Workspace::new();
    let mut config = read_json(&workspace.path("student/config.json"));
    config["num_hidden_layers"] = json!("two");
    workspace.write("student/config.json", config.to_string());
    workspace.refuses(&["`num_hidden_layers`: the text \"two\"; expected a whole number"]);
}

#[test]
fn attention_layers_that_count_from_1_are_explained() {
    let matched = |layer: u64| json!([{ "layer_T": layer, "layer_S": 0, "feature": "attention", "loss": "attention_mse", "weight": 1 }]);
    let workspace = Workspace::new().with("distillation.intermediate_matches", matched(4));
    workspace.refuses(&["`layer_T` is 4", "3 is the last of 4", "L3_attention_mse", "subtract 1"]);
    let workspace = Workspace::new().with("distillation.intermediate_matches", matched(3));
    assert_eq!(workspace.start(&["check"]).code, 0);
}

#[test]
fn eval_sets_keys_of_data_without_an_experiment() {
    let workspace = Workspace::new();
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    workspace.write("renamed.jsonl", rows.replace("\"labels\"", "\"sentiment\""));
    let eval = |arguments: &[&str]| {
        let mut command = workspace.command(&["eval", "--model", "teacher", "--data", "renamed.jsonl", "--json"]);
        fs::remove_file(workspace.path("experiment.json")).unwrap();
        command.args(arguments);
        command
    };
    let accuracy = |arguments: &[&str]| {
        let output = eval(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["accuracy"].as_f64()
    };
    assert_eq!(accuracy(&[]), None);
    assert!(accuracy(&["--set", "data.label=sentiment"]).is_some());
    for (argument, expected) in [
        ("training.seed=1", "--set training.seed=1: without an experiment file only keys of `data`"),
        ("data.lable=sentiment", "(did you mean `label`?)"),
        ("data.label=sentment", "data.label is `sentment`"),
        ("data.shuffle=false", "`shuffle` has no effect on an evaluation"),
        ("data.label", "expected KEY=VALUE"),
    ] {
        workspace.refuses_command(&mut eval(&["--set", argument]), &[expected]);
    }
}

#[test]
fn labels_of_which_none_counts_are_an_input_error() {
    let mut workspace = Workspace::new().with("distillation.hard_label_weight", json!(1));
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let ignored: Vec<String> = rows
        .lines()
        .map(|row| {
            let mut row: serde_json::Value = serde_json::from_str(row).unwrap();
            row["labels"] = json!(-100);
            row.to_string()
        })
        .collect();
    workspace.write("train.jsonl", ignored.join("\n"));
    workspace.refuses(&["train.jsonl", "none of them counts", "-100"]);
    let arguments = ["eval", "--model", "teacher", "--data", "train.jsonl"];
    workspace.refuses_to(&arguments, &["train.jsonl", "none of them counts"]);

    // A batch without labels teaches nothing of them; the others do.
    let first = rows.lines().next().unwrap();
    workspace.write("train.jsonl", [&[first.to_owned()], &ignored[1..]].concat().join("\n"));
    workspace.set("data.shuffle", json!(false));
    workspace.run();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let losses: Vec<f64> = lines.iter().filter_map(|line| line.get("unweighted_hard_label_loss")?.as_f64()).collect();
    assert!(losses[0] > 0.0 && losses[1..].iter().all(|loss| *loss == 0.0), "{losses:?}");
}
