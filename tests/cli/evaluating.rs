//! Evaluations see what training sees: the arguments of the forward and the batch post-processor.

use serde_json::{Value, json};

use crate::support::{plugin, read_lines};
use crate::workspace::Workspace;

fn workspace() -> Workspace {
    Workspace::new().with("data.dev", json!("train.jsonl"))
}

/// `dev_loss` of the only checkpoint.
fn loss_at_checkpoint(workspace: &Workspace) -> f64 {
    workspace.run();
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    lines.iter().find_map(|line| line.get("dev_loss")).unwrap().as_f64().unwrap()
}

/// The loss that `eval` finds.
#[track_caller]
fn loss_of(workspace: &Workspace, arguments: &[&str]) -> f64 {
    let finished = workspace.start(&[&["eval", "--json"], arguments].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    serde_json::from_str::<Value>(&finished.stdout).unwrap()["loss"].as_f64().unwrap()
}

#[track_caller]
fn assert_equal(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-6, "{left} and {right}");
}

#[track_caller]
fn assert_other(left: f64, right: f64) {
    assert!((left - right).abs() > 1e-4, "{left} and {right}");
}

#[test]
fn arguments_of_the_student_are_those_of_its_evaluation() {
    let workspace = workspace().with("student.args", json!({ "token_type_ids": 1 }));
    let at_checkpoint = loss_at_checkpoint(&workspace);
    assert_equal(loss_of(&workspace, &[]), at_checkpoint);
    assert_other(loss_of(&workspace, &["--set", "student.args={}"]), at_checkpoint);
}

#[test]
fn arguments_of_a_teacher_are_those_of_its_evaluation() {
    let plain = loss_of(&workspace(), &["--model", "teacher"]);
    let mut workspace = workspace().with("student.args", json!({ "token_type_ids": 1 }));
    assert_equal(loss_of(&workspace, &["--model", "teacher"]), plain);
    workspace.set("teacher.args", json!({ "token_type_ids": 1 }));
    assert_other(loss_of(&workspace, &["--model", "teacher"]), plain);
}

#[test]
fn the_post_processor_is_that_of_the_evaluation() {
    let mut workspace = workspace();
    let postprocessor = json!({ "path": plugin("guest-roles"), "config": { "do": "same-words" } });
    workspace.set("plugins", json!({ "batch_postprocessor": postprocessor }));
    let at_checkpoint = loss_at_checkpoint(&workspace);
    assert_equal(loss_of(&workspace, &[]), at_checkpoint);
    workspace.remove("plugins");
    assert_other(loss_of(&workspace, &[]), at_checkpoint);
    workspace
        .set("plugins", json!({ "batch_postprocessor": { "path": "none.wasm", "config": { "do": "same-words" } } }));
    let plugin = plugin("guest-roles");
    assert_equal(loss_of(&workspace, &["--plugin", plugin.to_str().unwrap()]), at_checkpoint);
}
