//! Data that is not right: the file, the line and what was expected there.

use serde_json::{Map, Value, json};

use crate::workspace::Workspace;

#[test]
fn a_missing_or_empty_data_set_is_named() {
    Workspace::new().with("data.train", json!("nowhere.jsonl")).refuses(&["cannot read", "nowhere.jsonl"]);
    let workspace = Workspace::new();
    workspace.write("train.jsonl", "");
    workspace.refuses(&["train.jsonl", "no examples", "at least one"]);
    workspace.write("train.jsonl", "\n\n");
    workspace.refuses(&["train.jsonl", "no examples"]);
}

#[test]
fn an_unknown_format_comes_with_the_known_ones() {
    let workspace = Workspace::new().with("data.train", json!("train.xml"));
    workspace.write("train.xml", "<row/>");
    workspace.refuses(&["train.xml", "not supported", ".jsonl"]);
}

#[test]
fn a_broken_row_comes_with_its_line() {
    let rows = [
        (r#"{"input_ids": [1, 2"#, "broken JSON"),
        ("[1, 2]", "one JSON object a line"),
        (r#"{"input_ids": [], "attention_mask": [], "token_type_ids": [], "labels": 1}"#, "`input_ids` is empty"),
        (r#"{"input_ids": [5, 97], "labels": 1}"#, "97 at position 1"),
        (r#"{"input_ids": "5 6", "labels": 1}"#, "`input_ids`"),
    ];
    for (row, expected) in rows {
        let workspace = Workspace::new();
        workspace.replace_row(3, row);
        workspace.refuses(&["train.jsonl:3: ", expected]);
    }
}

#[test]
fn a_wrong_label_comes_with_its_line() {
    let row = |label: Value| json!({ "input_ids": [5], "attention_mask": [1], "token_type_ids": [0], "labels": label });
    let labels: [(Value, &[&str]); 6] = [
        (json!(3), &["`labels` is 3", "an integer from 0 to 2"]),
        (json!(-1), &["`labels` is -1", "an integer from 0 to 2"]),
        (json!(1_000_000_000_000_i64), &["`labels` is 1000000000000", "an integer from 0 to 2"]),
        (json!(1.5), &["`labels` is 1.5", "an integer from 0 to 2"]),
        (json!([1]), &["`labels` is a list", "an integer from 0 to 2"]),
        (json!("LABEL_3"), &["the label `LABEL_3`", "did you mean `LABEL_", "`LABEL_0`"]),
    ];
    for (label, expected) in labels {
        let workspace = Workspace::new();
        workspace.replace_row(5, &row(label).to_string());
        workspace.refuses(&[&["train.jsonl:5: "], expected].concat());
    }
}

#[test]
fn the_data_to_evaluate_on_is_read_before_training_too() {
    let workspace = Workspace::new().with("data.dev", json!("dev.jsonl"));
    workspace.write("dev.jsonl", "{\"input_ids\": [5], \"labels\": 7}\n");
    workspace.refuses(&["dev.jsonl:1: ", "7"]);
}

#[test]
fn text_without_a_tokenizer_is_refused() {
    let workspace = Workspace::new();
    workspace.write("train.jsonl", "{\"text\": \"good\", \"label\": 1}\n");
    workspace.refuses(&["train.jsonl", "no tokenizer.json", "`input_ids`"]);
}

#[test]
fn a_tokenizer_that_does_not_fit_is_named() {
    let workspace = Workspace::new();
    workspace.write("train.jsonl", "{\"text\": \"good\", \"label\": 1}\n");
    workspace.write("student/tokenizer.json", tokenizer(98));
    workspace.refuses(&["tokenizer.json", "does not fit the model", "98 tokens", "vocabulary has 97"]);
    workspace.write("student/tokenizer.json", "{}");
    workspace.refuses(&["tokenizer.json", "not a tokenizer"]);
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let workspace = Workspace::new().with("data.text", json!("sentence"));
    workspace.write("student/tokenizer.json", tokenizer(97));
    workspace.write("train.jsonl", "{\"text\": \"word5\", \"label\": 1}\n");
    workspace.refuses(&["train.jsonl:1: ", "no column `sentence`", "`text`"]);
}

#[test]
fn a_student_of_texts_keeps_its_tokenizer() {
    let workspace = Workspace::new();
    workspace.write("student/tokenizer.json", tokenizer(97));
    workspace.write("train.jsonl", "{\"text\": \"word5 word6\", \"label\": 1}\n{\"text\": \"word7\", \"label\": 0}\n");
    workspace.run();
    for folder in ["out/student", "out/checkpoints/step-1"] {
        let kept = std::fs::read(workspace.path(folder).join("tokenizer.json")).unwrap();
        assert_eq!(kept, tokenizer(97).into_bytes());
    }
}

#[test]
fn the_tokenizer_stays_with_a_student_that_is_trained_further() {
    let mut workspace = Workspace::new();
    workspace.write("student/tokenizer.json", tokenizer(97));
    workspace.write("train.jsonl", "{\"text\": \"word5 word6\", \"label\": 1}\n");
    workspace.run();
    // What the second run starts from is moved away when it begins.
    workspace.set("student.model", json!("out/student"));
    workspace.run();
    assert!(workspace.path("out/student/tokenizer.json").is_file());
}

/// A tokenizer of words: `word0`, `word1`, …
pub fn tokenizer(words: usize) -> String {
    let vocabulary: Map<String, Value> = (0..words).map(|id| (format!("word{id}"), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "word0" },
    });
    tokenizer.to_string()
}

#[test]
fn sizes_may_be_larger_than_any_data() {
    let huge = json!(1_000_000_000_000_u64);
    let workspace = Workspace::new().with("data.max_length", huge.clone());
    workspace.refuses(&["max_length is 1000000000000; expected at most", "the longest input of the model"]);
    for size in [huge, json!(usize::MAX)] {
        let mut workspace = Workspace::new().with("data.batch_size", size.clone());
        workspace.set("data.eval_batch_size", size);
        workspace.set("data.group_by_length", json!(true));
        workspace.set("data.dev", json!("train.jsonl"));
        workspace.run();
    }
}
