//! Several teachers, several tasks, and teachers that read tokens of their own.

use std::fs;

use serde_json::json;

use crate::support::{read_lines, repository};
use crate::workspace::{Workspace, copy_folder};

#[test]
fn several_teachers_need_their_distiller_and_it_needs_them() {
    let teachers = json!([{ "model": "teacher" }, { "model": "teacher" }]);
    let mut workspace = Workspace::new().with("teachers", teachers);
    workspace.refuses(&["teachers", r#""distiller": "multi_teacher""#]);
    workspace.set("distiller", json!("multi_teacher"));
    workspace.refuses(&["teachers", "in place of `teacher`"]);
    workspace.remove("teacher");
    workspace.run();
    workspace.set("distillation.intermediate_matches", json!([one_match()]));
    workspace.refuses(&["distillation.intermediate_matches", "general"]);
}

#[test]
fn tasks_are_drawn_and_named() {
    let workspace = two_tasks();
    let finished = workspace.run();
    for expected in ["multi_task", "teacher of large", "teacher of small", "large.jsonl", "small.jsonl"] {
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    let steps = lines.iter().filter(|line| line.get("total_loss").is_some());
    let tasks: Vec<&str> = steps.map(|line| line["task"].as_str().unwrap()).collect();
    assert_eq!(tasks.len(), 8);
    assert!(tasks.contains(&"large") && tasks.contains(&"small"), "{tasks:?}");
    let evaluated = lines.iter().find(|line| line.get("evaluation").is_some()).unwrap();
    assert!(evaluated.get("small_dev_accuracy").is_some(), "{evaluated}");
}

#[test]
fn tasks_that_cannot_be_trained_are_refused() {
    let mut workspace = two_tasks();
    workspace.set("training", json!({ "num_epochs": 1, "output_dir": "out" }));
    workspace.refuses(&["training.num_steps"]);
    let mut workspace = two_tasks();
    workspace.set("tasks.small.data", json!({}));
    workspace.refuses(&["data.train", "`small`"]);
    let mut workspace = two_tasks();
    workspace.set("tasks", json!({}));
    workspace.refuses(&["tasks", "missing"]);
    let mut workspace = two_tasks();
    workspace.set("distiller", json!("general"));
    workspace.refuses(&["teacher", "missing"]);
}

#[test]
fn projections_start_from_a_file_that_fits() {
    let recorded = repository().join("tests/parity/runs/general_projection/projections_init.safetensors");
    let mut workspace = Workspace::new();
    workspace.set("distillation.intermediate_matches", json!([one_match()]));
    workspace.set("student.projections", json!(recorded));
    workspace.refuses(&["student.projections", "`0.bias`", "only the projections"]);
    workspace.set("student.projections", json!("train.jsonl"));
    workspace.refuses(&["student.projections", "train.jsonl", "a safetensors file"]);
}

fn one_match() -> serde_json::Value {
    json!({ "layer_T": 2, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1 })
}

/// `large.jsonl` and `small.jsonl`, each with a teacher of its own.
fn two_tasks() -> Workspace {
    let mut workspace = Workspace::new();
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let small: Vec<&str> = rows.lines().take(8).collect();
    workspace.write("large.jsonl", &rows);
    workspace.write("small.jsonl", small.join("\n"));
    copy_folder(&workspace.path("teacher"), &workspace.path("other"));
    workspace.remove("teacher");
    workspace.remove("data");
    workspace.set("distiller", json!("multi_task"));
    let data =
        |name: &str| json!({ "train": format!("{name}.jsonl"), "dev": format!("{name}.jsonl"), "batch_size": 4 });
    workspace.set(
        "tasks",
        json!({
            "large": { "teacher": { "model": "teacher" }, "data": data("large") },
            "small": { "teacher": { "model": "other" }, "data": data("small") },
        }),
    );
    workspace.set("training", json!({ "num_steps": 8, "tau": 0.5, "output_dir": "out", "device": "cpu" }));
    workspace
}
