//! The lines of `metrics.jsonl` when a run is resumed: those that are missing come back or are said, damaged ones are kept aside.

use std::fs;

use serde_json::{Value, json};

use crate::resuming::{interrupt, resume, workspace};
use crate::support::read_lines;
use crate::workspace::{Finished, Workspace};

/// Interrupts a run after its checkpoint 12, changes its lines of metrics, and resumes it; returns what is said. All
/// else must be as in the whole run.
#[track_caller]
fn with_metrics(change: impl FnOnce(Vec<String>) -> Option<String>) -> (Finished, Vec<Value>, Vec<Value>, Workspace) {
    let workspace = workspace().with("data.dev", json!("train.jsonl"));
    workspace.run();
    let path = workspace.path("out/metrics.jsonl");
    let (whole, text) = (read_lines(&path), fs::read_to_string(&path).unwrap());
    interrupt(&workspace, 12);
    match change(text.lines().map(|line| format!("{line}\n")).collect()) {
        Some(text) => workspace.write("out/metrics.jsonl", text),
        None => fs::remove_file(&path).unwrap(),
    }
    let finished = resume(&workspace, 12);
    let found = read_lines(&path);
    (finished, found, whole, workspace)
}

#[test]
fn the_line_of_a_checkpoint_that_was_not_written_comes_back() {
    // The run ended after the checkpoint 12 had its name, and before the lines: the start, steps 0 to 11, and the checkpoint 6.
    let (finished, found, whole, _) = with_metrics(|lines| Some(lines[..15].concat()));
    assert_eq!((&whole[15]["evaluation"], &whole[16]["checkpoint"]), (&json!(12), &json!(12)));
    assert!(whole[15]["dev_loss"].is_f64() && found == whole);
    assert!(!finished.stderr.contains("warning:"), "{}", finished.stderr);
}

#[test]
fn lost_and_damaged_lines_are_said() {
    let (finished, found, whole, _) = with_metrics(|_| None);
    assert!(finished.stderr.contains("warning: metrics.jsonl is gone"), "{}", finished.stderr);
    assert!(finished.stderr.contains("no lines of the forward steps 0–11"), "{}", finished.stderr);
    let expected: Vec<Value> =
        whole.into_iter().filter(|line| line["step"].as_u64().is_none_or(|step| step >= 12)).collect();
    assert!(found == expected);

    let (finished, found, mut whole, workspace) = with_metrics(|mut lines| {
        lines[3].insert(5, '\u{1}');
        Some(format!("{}{}", lines[..13].concat(), &lines[13][..9]))
    });
    for said in ["2 lines of metrics.jsonl could not be read", "no lines of the forward steps 2, 10–11"] {
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
    whole.retain(|line| ![Some(2), Some(10), Some(11)].contains(&line["step"].as_u64()));
    assert!(found == whole);
    let damaged = fs::read_to_string(workspace.path("out/metrics.damaged.jsonl")).unwrap();
    assert_eq!(damaged.lines().count(), 2);
}
