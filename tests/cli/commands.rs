//! What the subcommands print and what they leave alone.

use serde_json::{Value, json};

use crate::support::{plugin, read_lines};
use crate::workspace::Workspace;

#[test]
fn check_trains_nothing_and_writes_nothing() {
    let matches = json!([
        { "layer_T": 4, "layer_S": 2, "feature": "hidden", "loss": "hidden_mse", "weight": 1 },
    ]);
    let workspace = Workspace::new().with("distillation.intermediate_matches", matches);
    workspace.write("experiment.json", workspace.experiment.to_string());
    let before = workspace.contents();
    for arguments in [vec!["check"], vec!["check", "--plugin", plugin("sequence-classification").to_str().unwrap()]] {
        let finished = workspace.start(&arguments);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        assert!(finished.stdout.contains("ok: "), "{}", finished.stdout);
        for shown in ["teacher  logits", "student  logits", "float32 [4, 3]", "hidden"] {
            assert!(finished.stdout.contains(shown), "`{shown}` is not in: {}", finished.stdout);
        }
        for shown in ["BertForSequenceClassification", "adaptor", "22 examples", "hidden_mse", "6 optimizer steps"] {
            assert!(finished.stderr.contains(shown), "`{shown}` is not in: {}", finished.stderr);
        }
    }
    assert!(workspace.contents() == before);
}

#[test]
fn schema_prints_the_keys_of_an_experiment() {
    let finished = Workspace::new().start(&["schema"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let schema: Value = serde_json::from_str(&finished.stdout).unwrap();
    let workspace = Workspace::new();
    for key in workspace.experiment.as_object().unwrap().keys() {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let limits = &schema["$defs"]["PluginSpec"]["properties"]["limits"]["properties"];
    assert!(limits["call_seconds"].is_object(), "{limits}");
    let losses = &schema["$defs"]["KdLossConfig"]["oneOf"];
    assert!(losses.as_array().unwrap().iter().any(|loss| loss["const"] == "ce"), "{losses}");
    let lists: Vec<&Value> =
        losses.as_array().unwrap().iter().filter_map(|loss| loss["anyOf"].as_array()?.get(1)).collect();
    let dkd = lists.iter().find(|list| list["prefixItems"][0]["const"] == "dkd").unwrap();
    assert_eq!(["alpha", "beta"], [1, 2].map(|index| dkd["prefixItems"][index]["title"].as_str().unwrap()));
}

#[test]
fn eval_prints_metrics_as_a_table_or_a_line_of_json() {
    let workspace = Workspace::new();
    let arguments = ["eval", "--model", "teacher", "--data", "train.jsonl", "--device", "cpu"];
    let table = workspace.start(&arguments);
    assert_eq!(table.code, 0, "{}", table.stderr);
    for shown in ["teacher", "train.jsonl, 22 examples", "loss", "accuracy"] {
        assert!(table.stdout.contains(shown), "`{shown}` is not in: {}", table.stdout);
    }

    let line = workspace.start(&[&arguments[..], &["--json"]].concat());
    assert_eq!(line.stdout.lines().count(), 1);
    let line: Value = serde_json::from_str(&line.stdout).unwrap();
    assert_eq!(line["examples"], 22);
    let (loss, accuracy) = (line["loss"].as_f64().unwrap(), line["accuracy"].as_f64().unwrap());
    assert!(loss > 0.0 && (0.0..=1.0).contains(&accuracy), "{line}");
    assert!(table.stdout.contains(&format!("{accuracy:.4}")), "{}", table.stdout);
}

#[test]
fn eval_measures_the_student_of_the_experiment_by_default() {
    let workspace = Workspace::new().with("data.dev", json!("train.jsonl"));
    workspace.run();
    let finished = workspace.start(&["eval", "--json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let line: Value = serde_json::from_str(&finished.stdout).unwrap();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let checkpoint = lines.iter().find(|line| line.get("dev_loss").is_some()).unwrap();
    for (metric, found) in [("dev_loss", &line["loss"]), ("dev_accuracy", &line["accuracy"])] {
        assert!((checkpoint[metric].as_f64().unwrap() - found.as_f64().unwrap()).abs() < 1e-6, "{line}");
    }
}

#[test]
fn eval_says_what_it_misses() {
    let workspace = Workspace::new();
    let eval = |arguments: &[&str]| {
        let mut command = workspace.command(&["eval"]);
        std::fs::remove_file(workspace.path("experiment.json")).unwrap();
        command.args(arguments);
        command
    };
    workspace.refuses_command(&mut eval(&[]), &["--model: missing"]);
    workspace.refuses_command(&mut eval(&["--model", "teacher"]), &["--data: missing"]);
    let arguments = ["--model", "nowhere", "--data", "train.jsonl"];
    workspace.refuses_command(&mut eval(&arguments), &["nowhere"]);
    let arguments = ["--model", "teacher", "--data", "train.jsonl", "--device", "gpu"];
    workspace.refuses_command(&mut eval(&arguments), &["`gpu`"]);
}

#[test]
fn flags_go_before_the_file() {
    let workspace = Workspace::new().with("training.device", json!("tpu"));
    let arguments = ["run", "--device", "cpu", "--set", "training.num_steps=2", "--set", "data.batch_size=3"];
    let finished = workspace.start(&arguments);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).iter().filter(|line| line["step"].is_u64()).count(), 2);
    let resolved = crate::support::read_json(&workspace.path("out/experiment.resolved.json"));
    assert_eq!(resolved["training"]["device"], "cpu");
    assert_eq!(resolved["data"]["batch_size"], 3);
}

#[test]
fn a_wrong_command_line_is_the_users_fault() {
    for arguments in [&["train"][..], &["run", "--colour"], &[]] {
        let finished = Workspace::new().start(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}");
        assert!(finished.stderr.contains("Usage: "), "{}", finished.stderr);
    }
    for arguments in [["--help"], ["--version"]] {
        assert_eq!(Workspace::new().start(&arguments).code, 0);
    }
}
