//! Adaptors that fail: the run ends with one clear error, and what was there stays.

use serde_json::{Value, json};

use crate::support::plugin;
use crate::workspace::{Finished, Workspace};

fn workspace(config: Value, limits: Value) -> Workspace {
    let adaptor = json!({ "path": plugin("guest-misbehaving"), "config": config, "limits": limits });
    Workspace::new().with("plugins", json!({ "adaptor": adaptor }))
}

/// A run with a plugin that does `deed` ends in an error of the run, before anything is written.
#[track_caller]
fn fails(deed: &str, limits: Value, expected: &[&str]) -> Finished {
    let workspace = workspace(json!({ "do": deed }), limits);
    workspace.write("experiment.json", workspace.experiment.to_string());
    let before = workspace.contents();
    let finished = workspace.start(&["run"]);
    finished.check_failure(1, &[&["plugin guest-misbehaving.wasm (teacher, step 0): "], expected].concat());
    assert!(workspace.contents() == before, "{deed}: files changed");
    finished
}

#[test]
fn an_error_that_it_returns_is_shown() {
    fails("return-error", json!({}), &["the batch is not to my taste"]);
    // Nothing of it reaches the terminal as more than text.
    fails("return-escapes", json!({}), &["[2Jcleared"]);
}

#[test]
fn a_trap_is_an_error() {
    let finished = fails("panic", json!({}), &["panicked at"]);
    for part in ["no logits for step 0", "in the plugin, innermost first:"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    fails("trap", json!({}), &["unreachable"]);
    fails("recurse", json!({}), &["overflowed its stack"]);
}

#[test]
fn an_endless_call_reaches_a_limit() {
    fails("loop", json!({ "call_seconds": 0.2 }), &["did not return in time", "`limits.call_seconds`"]);
    fails("allocate", json!({ "memory_bytes": 1 << 24 }), &["of memory (limit: 16.0 MiB)", "`limits.memory_bytes`"]);
    fails("operate-for-ever", json!({ "operations": 1000 }), &["1000 operations", "`limits.operations`"]);
}

#[test]
fn an_operation_that_cannot_be_is_an_error() {
    fails("wrong-shape", json!({}), &["[4, 3]"]);
    fails("wrong-kind", json!({}), &["a tensor of int64; expected floating-point numbers"]);
}

#[test]
fn what_it_returns_must_fit() {
    fails("return-nothing", json!({}), &["it returned no features"]);
    // Logits of one example, float64: a plugin that does not fit the experiment is the user's to change.
    workspace(json!({ "do": "random" }), json!({}))
        .refuses(&["guest-misbehaving.wasm returned", "`logits[0]` float64 [1, 1]"]);
}

/// An adaptor whose features change from step 2 on ends the run there, and says what was expected.
#[track_caller]
fn changes(deed: &str, expected: &[&str]) {
    let finished = workspace(json!({ "do": deed }), json!({})).start(&["run"]);
    finished.check_failure(1, &[&["step 2: plugin guest-misbehaving.wasm returned"], expected].concat());
}

#[test]
fn every_call_is_verified_and_not_the_first_alone() {
    let before = "as in the check before step 0";
    changes("later-count", &["`logits` 2 tensors; expected 1 tensors", before]);
    changes("later-none", &["`logits` 0 tensors; expected 1 tensors", before]);
    changes("later-classes", &["`logits[0]` 2 dimensions and 1 classes; expected 2 dimensions and ", before]);
    changes("later-batch", &["`logits[0]` float32 [2, ", "expected floats of [4, labels]"]);
    changes("later-integers", &["`logits[0]` int64 [4, ", "expected floats"]);
    changes("later-detached", &["for the student `logits[0]` float32 [4, ", "without a gradient"]);
}

#[test]
fn features_from_which_nothing_is_learnt_are_refused() {
    let refused = |deed: &str, expected: &[&str]| {
        let mut workspace = workspace(json!({ "do": deed }), json!({}));
        workspace.set("distillation.hard_label_weight", json!(1));
        workspace.refuses_to(&["check"], expected);
        workspace.set("distillation.kd_loss_weight", json!(0));
        assert_eq!(workspace.start(&["check"]).code, 0, "{deed}");
    };
    refused("detach-logits", &["for the student `logits[0]` float32 [4, ", "without a gradient"]);
    refused("no-logits", &["returned no `logits` for the student, but kd_loss_weight needs it"]);
}
