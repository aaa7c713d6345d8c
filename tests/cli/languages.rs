//! Plugins of every language in whole runs: the same bits each time, and the same in all of them.

use std::fs;

use serde_json::json;

use crate::support::plugin;
use crate::workspace::Workspace;

/// The adaptor that is the same in every language.
const SAME: &str = "sequence-classification";

/// What a run with this component as its adaptor writes: the numbers of each step, and the student's weights.
fn run(component: &str) -> [Vec<u8>; 2] {
    let adaptor = json!({ "path": plugin(component) });
    let mut workspace = Workspace::new().with("plugins", json!({ "adaptor": adaptor }));
    let matches = json!([{ "layer_T": 2, "layer_S": 1, "feature": "attention", "loss": "attention_mse", "weight": 1 }]);
    workspace.set("distillation.intermediate_matches", matches);
    workspace.run();
    ["out/metrics.jsonl", "out/student/model.safetensors"].map(|file| fs::read(workspace.path(file)).unwrap())
}

#[track_caller]
fn same_bits(language: &str) {
    let component = format!("{SAME}-{language}");
    let first = run(&component);
    assert!(first == run(&component), "two runs in {language} differ");
    assert!(first == run(SAME), "a run in {language} differs from one in Rust");
}

#[test]
fn rust_gives_the_same_bits() {
    assert!(run(SAME) == run(SAME));
}

#[test]
fn python_gives_the_same_bits() {
    same_bits("python");
}

#[test]
fn javascript_gives_the_same_bits() {
    same_bits("javascript");
}

#[test]
fn c_gives_the_same_bits() {
    same_bits("c");
}
