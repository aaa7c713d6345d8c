//! Models that may find several classes in an example: rows, the model's loss, the KD loss and what is measured.

use std::fs;

use serde_json::{Value, json};

use crate::support::{read_json, read_lines};
use crate::workspace::Workspace;

/// Teacher and student of the recorded run as models of several labels, and rows that list them.
fn workspace() -> Workspace {
    let workspace = Workspace::new().with("data.dev", json!("train.jsonl"));
    for model in ["teacher", "student"] {
        let path = workspace.path(model).join("config.json");
        let mut config = read_json(&path);
        config["problem_type"] = json!("multi_label_classification");
        fs::write(path, config.to_string()).unwrap();
    }
    let labels = [json!(["LABEL_0"]), json!([]), json!([1, "LABEL_0"])];
    let rows = read_lines(&workspace.path("train.jsonl")).into_iter().enumerate().map(|(index, mut row)| {
        row["labels"] = labels[index % labels.len()].clone();
        format!("{row}\n")
    });
    workspace.write("train.jsonl", rows.collect::<String>());
    workspace
}

#[test]
fn they_are_distilled_and_measured() {
    let distillation = json!({ "kd_loss_type": "bce", "temperature": 2, "hard_label_weight": 1 });
    let workspace = workspace().with("distillation", distillation);
    workspace.run();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let checkpoint = lines.iter().find(|line| line.get("dev_f1").is_some()).expect("an evaluation");
    assert!(checkpoint.get("dev_accuracy").is_none(), "{checkpoint}");

    let finished = workspace.start(&["eval", "--json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let measured: Value = serde_json::from_str(&finished.stdout).unwrap();
    for name in ["loss", "f1"] {
        let (found, expected) = (measured[name].as_f64().unwrap(), checkpoint[format!("dev_{name}")].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-6, "{name}: {found} and {expected}");
    }
    assert_eq!(read_json(&workspace.path("out/student/config.json"))["problem_type"], "multi_label_classification");
}

#[test]
fn a_softmax_over_them_is_refused() {
    workspace().refuses(&[
        "distillation.kd_loss_type: `ce` compares the softmax over all classes",
        "multi-label classification, where each class holds or not; expected `bce`, `mse` or a plugin's loss",
    ]);
}

#[test]
fn a_label_that_is_no_list_is_named_with_its_row() {
    let workspace = workspace();
    workspace.replace_row(2, &json!({ "input_ids": [5], "labels": 1 }).to_string());
    workspace.refuses(&["train.jsonl:2: `labels` is 1; expected a list of labels, each an integer from 0 to"]);
}
