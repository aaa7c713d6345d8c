//! Question answering: spans of tokens.

use std::fs;

use serde_json::{Value, json};

use crate::support::{read_json, read_lines, repository};
use crate::workspace::{Workspace, copy_folder};

/// A student of another family than its teacher, and rows of several lengths.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for (model, recorded) in [("teacher", "deberta_v2_question_answering"), ("student", "bert_question_answering")] {
        fs::remove_dir_all(workspace.path(model)).unwrap();
        copy_folder(&repository().join("tests/parity/models").join(recorded), &workspace.path(model));
    }
    let row = |index: usize| {
        let ids: Vec<usize> = (0..5 + index).map(|at| 5 + (7 * index + 3 * at) % 80).collect();
        json!({ "input_ids": ids, "label": [index % 4, index % 4 + 1] }).to_string()
    };
    workspace.write("train.jsonl", (0..8).map(row).collect::<Vec<_>>().join("\n"));
    workspace
        .with("data", json!({ "train": "train.jsonl", "dev": "train.jsonl", "batch_size": 3 }))
        .with("optimizer", json!({ "name": "adamw", "lr": 3e-3 }))
        .with("distillation", json!({ "temperature": 2, "hard_label_weight": 1 }))
        .with("training.num_epochs", json!(40))
}

#[test]
fn a_student_learns_spans_from_labels_and_from_another_family() {
    let workspace = workspace();
    workspace.run();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let losses: Vec<f64> = lines.iter().filter_map(|line| line["total_loss"].as_f64()).collect();
    let (first, last) = (losses.first().unwrap(), losses.last().unwrap());
    assert!(last < first, "{first} {last}");
    let evaluated = workspace.start(&["eval", "--model", "out/student", "--data", "train.jsonl", "--json"]);
    assert_eq!(evaluated.code, 0, "{}", evaluated.stderr);
    let found: Value = serde_json::from_str(&evaluated.stdout).unwrap();
    assert!(found["exact_match"].as_f64().unwrap() > 0.5, "{found}");
    let config = read_json(&workspace.path("out/student/config.json"));
    assert_eq!(config["architectures"], json!(["BertForQuestionAnswering"]));
    let card = fs::read_to_string(workspace.path("out/student/README.md")).unwrap();
    for part in [r#""type":"question-answering""#, r#""type":"exact_match","name":"dev_exact_match""#] {
        assert!(card.contains(part), "`{part}` is not in: {card}");
    }
}

#[test]
fn labels_that_are_no_spans_are_named() {
    let workspace = workspace();
    workspace.replace_row(2, r#"{ "input_ids": [5, 6, 7], "label": [2, 3] }"#);
    workspace.refuses(&["train.jsonl:2", "a position from 2 to 2, or -100 for none"]);
    workspace.replace_row(2, r#"{ "input_ids": [5, 6, 7], "label": 1 }"#);
    workspace.refuses(&["train.jsonl:2", "two positions of `input_ids`"]);
}
