//! A run that goes on from a checkpoint writes what the whole run wrote, to the byte.

use std::fs;

use serde_json::{Value, json};

use crate::support::{checkpoint_steps, plugin, read_json};
use crate::workspace::{Workspace, contents};

/// A run of three epochs with dropout, in a random order.
fn workspace() -> Workspace {
    let workspace = Workspace::new().with("training.num_epochs", json!(3)).with("data.shuffle", json!(true));
    let mut config = read_json(&workspace.path("student/config.json"));
    config["hidden_dropout_prob"] = json!(0.2);
    workspace.write("student/config.json", config.to_string());
    workspace
}

/// Takes away what a run wrote after the checkpoint `step`, as if it had been interrupted; the lines of metrics stay.
fn interrupt(workspace: &Workspace, step: u64) {
    let out = workspace.path("out");
    fs::remove_dir_all(out.join("student")).unwrap();
    let steps = checkpoint_steps(&out);
    assert!(steps.contains(&step) && steps.last() != Some(&step), "{steps:?}");
    for later in steps.into_iter().filter(|other| *other > step) {
        fs::remove_dir_all(out.join(format!("checkpoints/step-{later}"))).unwrap();
    }
}

#[track_caller]
fn goes_on(workspace: &Workspace, step: u64) {
    workspace.run();
    let whole = contents(&workspace.path("out"));
    interrupt(workspace, step);
    let finished = workspace.start(&["run", "--resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("resumes after step {step}")), "{}", finished.stderr);
    let found = contents(&workspace.path("out"));
    assert!(found.keys().eq(whole.keys()), "{:?} {:?}", found.keys(), whole.keys());
    for (name, content) in &whole {
        assert!(found[name] == *content, "{} differs", name.display());
    }
}

#[test]
fn adam_goes_on() {
    let mut workspace = workspace().with("optimizer", json!({ "name": "adam", "lr": 1e-3, "weight_decay": 0.01 }));
    workspace.set("schedule", json!({ "name": "linear", "warmup_ratio": 0.2 }));
    goes_on(&workspace, 6);
}

#[test]
fn momentum_and_accumulation_go_on_within_an_epoch() {
    let mut workspace = workspace().with("optimizer", json!({ "name": "sgd", "lr": 0.1, "momentum": 0.9 }));
    workspace.set("training.gradient_accumulation_steps", json!(2));
    workspace.set("training.max_grad_norm", json!(1));
    workspace.set("training.ckpt_frequency", json!(3));
    goes_on(&workspace, 4);
}

#[test]
fn a_run_of_steps_goes_on_with_projections_and_weights() {
    let mut workspace = workspace();
    let (student, teacher) = workspace.hidden_sizes();
    workspace.set("distillation.kd_loss_weight_scheduler", json!("linear_decay"));
    workspace.set("distillation.hard_label_weight", json!(0.5));
    let projection = json!(["linear", student, teacher, { "lr": 1e-2 }]);
    let layers = json!({ "layer_T": 3, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 2, "proj": projection });
    workspace.set("distillation.intermediate_matches", json!([layers]));
    workspace.remove("training");
    workspace.set("training", json!({ "num_steps": 11, "ckpt_steps": 4, "output_dir": "out", "device": "cpu" }));
    goes_on(&workspace, 8);
}

#[test]
fn a_plugin_goes_on_and_left_out_batches_stay_counted() {
    let config = json!({ "do": "trap-at-steps" });
    let adaptor = json!({ "path": plugin("guest-roles"), "config": config });
    let mut workspace = workspace().with("plugins", json!({ "adaptor": adaptor, "skip_batches": 2 }));
    workspace.set("training.ckpt_frequency", json!(2));
    goes_on(&workspace, 6);
}

#[test]
fn plugins_draw_the_random_numbers_that_they_would_have_drawn() {
    let random = json!({ "path": plugin("guest-roles"), "config": { "do": "random" } });
    let mut workspace = workspace();
    let loss = json!({ "kd_loss_type": "plugin:r", "temperature_scheduler": "plugin:r", "kd_loss_weight_scheduler": "plugin:r" });
    workspace.set("distillation", loss);
    let plugins = json!({ "losses": { "r": random }, "schedulers": { "r": random } });
    workspace.set("plugins", plugins);
    goes_on(&workspace, 6);
}

#[test]
fn what_cannot_go_on_is_said() {
    let mut workspace = workspace();
    workspace.refuses_to(&["run", "--resume"], &["cannot go on with the run in", "no checkpoint", "without --resume"]);
    workspace.run();
    interrupt(&workspace, 6);
    let refused = |workspace: &Workspace, expected: &[&str]| {
        workspace.start(&["run", "--resume"]).check_failure(2, &[&["cannot go on with the run in"], expected].concat());
    };
    workspace.set("training.num_epochs", json!(4));
    refused(&workspace, &["`training.num_epochs` differs", "`student.model` to", "checkpoints/step-6"]);
    workspace.set("training.num_epochs", json!(3));
    workspace.set("distillation.temperature", Value::from(2));
    refused(&workspace, &["`distillation.temperature` differs"]);
    workspace.set("distillation.temperature", Value::from(4));
    workspace.write("out/checkpoints/step-6/training.safetensors", "torn");
    refused(&workspace, &["step-6/training.safetensors"]);
}
