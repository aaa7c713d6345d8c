//! A run that is resumed from a checkpoint writes what the whole run wrote, to the byte.

use std::fs;

use serde_json::json;

use crate::support::{checkpoint_steps, plugin, read_json, read_lines};
use crate::workspace::{Finished, Workspace, contents};

/// A run of three epochs with dropout, in a random order.
pub fn workspace() -> Workspace {
    let workspace = Workspace::new().with("training.num_epochs", json!(3)).with("data.shuffle", json!(true));
    let mut config = read_json(&workspace.path("student/config.json"));
    config["hidden_dropout_prob"] = json!(0.2);
    workspace.write("student/config.json", config.to_string());
    workspace
}

/// Takes away what a run wrote after the checkpoint `step`, as if it had been interrupted; the lines of metrics stay.
pub fn interrupt(workspace: &Workspace, step: u64) {
    let out = workspace.path("out");
    fs::remove_dir_all(out.join("student")).unwrap();
    let steps = checkpoint_steps(&out);
    assert!(steps.contains(&step) && steps.last() != Some(&step), "{steps:?}");
    for later in steps.into_iter().filter(|other| *other > step) {
        fs::remove_dir_all(out.join(format!("checkpoints/step-{later}"))).unwrap();
    }
}

#[track_caller]
pub fn resume(workspace: &Workspace, step: u64) -> Finished {
    let finished = workspace.start(&["run", "--resume=must"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("resumes after step {step} of the optimizer")), "{}", finished.stderr);
    finished
}

#[track_caller]
fn resumes_to_the_same(workspace: &Workspace, step: u64) {
    workspace.run();
    let whole = contents(&workspace.path("out"));
    interrupt(workspace, step);
    let finished = resume(workspace, step);
    assert!(!finished.stderr.contains("warning:"), "{}", finished.stderr);
    let found = contents(&workspace.path("out"));
    assert!(found.keys().eq(whole.keys()), "{:?} {:?}", found.keys(), whole.keys());
    for (name, content) in &whole {
        assert!(found[name] == *content, "{} differs", name.display());
    }
}

#[track_caller]
fn refuses(workspace: &Workspace, expected: &[&str]) {
    let before = contents(&workspace.path("out"));
    let finished = workspace.start(&["run", "--resume"]);
    finished.check_failure(2, &[&["cannot resume the run in"], expected].concat());
    assert!(contents(&workspace.path("out")) == before);
}

#[test]
fn adam_resumes() {
    let mut workspace = workspace().with("optimizer", json!({ "name": "adam", "lr": 1e-3, "weight_decay": 0.01 }));
    workspace.set("schedule", json!({ "name": "linear", "warmup_ratio": 0.2 }));
    resumes_to_the_same(&workspace, 6);
}

#[test]
fn momentum_and_accumulation_resume_within_an_epoch() {
    let mut workspace = workspace().with("optimizer", json!({ "name": "sgd", "lr": 0.1, "momentum": 0.9 }));
    workspace.set("training.gradient_accumulation_steps", json!(2));
    workspace.set("training.max_grad_norm", json!(1));
    workspace.set("training.ckpt_frequency", json!(3));
    resumes_to_the_same(&workspace, 4);
}

#[test]
fn an_optimizer_without_memory_resumes() {
    resumes_to_the_same(&workspace().with("optimizer", json!({ "name": "sgd", "lr": 0.1 })), 6);
}

#[test]
fn a_run_of_steps_resumes_with_projections_and_weights() {
    let mut workspace = workspace();
    let (student, teacher) = workspace.hidden_sizes();
    workspace.set("distillation.kd_loss_weight_scheduler", json!("linear_decay"));
    workspace.set("distillation.hard_label_weight", json!(0.5));
    let projection = json!(["linear", student, teacher, { "lr": 1e-2 }]);
    let layers = json!({ "layer_T": 3, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 2, "proj": projection });
    workspace.set("distillation.intermediate_matches", json!([layers]));
    workspace.remove("training");
    workspace.set("training", json!({ "num_steps": 11, "ckpt_steps": 4, "output_dir": "out", "device": "cpu" }));
    resumes_to_the_same(&workspace, 8);
}

#[test]
fn a_plugin_resumes_and_left_out_batches_stay_counted() {
    let config = json!({ "do": "trap-at-steps" });
    let adaptor = json!({ "path": plugin("guest-roles"), "config": config });
    let mut workspace = workspace().with("plugins", json!({ "adaptor": adaptor, "skip_batches": 2 }));
    workspace.set("training.ckpt_frequency", json!(2));
    resumes_to_the_same(&workspace, 6);
}

#[test]
fn plugins_draw_the_random_numbers_that_they_would_have_drawn() {
    let random = json!({ "path": plugin("guest-roles"), "config": { "do": "random" } });
    let mut workspace = workspace();
    let loss = json!({ "kd_loss_type": "plugin:r", "temperature_scheduler": "plugin:r", "kd_loss_weight_scheduler": "plugin:r" });
    workspace.set("distillation", loss);
    let plugins = json!({ "losses": { "r": random }, "schedulers": { "r": random } });
    workspace.set("plugins", plugins);
    resumes_to_the_same(&workspace, 6);
}

/// A plugin that remembers in every role: what it returns depends on how often it was called, and on what it drew.
#[test]
fn plugins_are_resumed_with_their_memory() {
    let memory = json!({ "path": plugin("guest-memory") });
    let mut workspace = workspace().with("data.dev", json!("train.jsonl"));
    let (student, teacher) = workspace.hidden_sizes();
    let projection = json!(["linear", student, teacher, {}]);
    let layers =
        json!({ "layer_T": 0, "layer_S": 0, "feature": "hidden", "loss": "plugin:m", "weight": 1, "proj": projection });
    workspace.set(
        "distillation",
        json!({
            "kd_loss_type": "plugin:m",
            "temperature_scheduler": "plugin:m",
            "kd_loss_weight_scheduler": "plugin:m",
            "hard_label_weight_scheduler": "plugin:m",
            "intermediate_matches": [layers],
        }),
    );
    workspace.set(
        "plugins",
        json!({
            "adaptor": memory,
            "batch_postprocessor": memory,
            "callbacks": [memory],
            "losses": { "m": memory },
            "schedulers": { "m": memory },
        }),
    );
    workspace.set("training.ckpt_frequency", json!(2));
    resumes_to_the_same(&workspace, 9);
    let manifest = read_json(&workspace.path("out/checkpoints/step-9/manifest.json"));
    let roles = manifest["roles"].as_array().unwrap();
    let places: Vec<&str> = roles.iter().map(|role| role["place"].as_str().unwrap()).collect();
    let expected = [
        "teacher.adaptor",
        "student.adaptor",
        "batch_postprocessor",
        "evaluation.dev.batch_postprocessor",
        "callbacks.0",
        "distillation.kd_loss_type",
        "distillation.temperature_scheduler",
        "distillation.intermediate_matches[0].loss",
        "distillation.kd_loss_weight_scheduler",
        "distillation.hard_label_weight_scheduler",
    ];
    assert_eq!(places, expected);
    let files = manifest["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["name"] == "role_state.9.bin"), "{files:?}");
}

#[test]
fn a_cache_in_memory_holds_the_same_bits_again() {
    // Within the second epoch, in which examples stand beside others than in the first.
    for step in [2, 8, 14] {
        let mut workspace = workspace().with("distillation.is_caching_logits", json!(true));
        workspace.set("training.ckpt_frequency", json!(3));
        resumes_to_the_same(&workspace, step);
    }
}

#[test]
fn a_cache_on_disk_that_is_lost_is_made_again_with_the_same_bits() {
    let mut workspace = workspace().with("teacher.cache", json!({ "path": "cache" }));
    workspace.set("training.ckpt_frequency", json!(3));
    workspace.run();
    let whole = contents(&workspace.path("out"));
    interrupt(&workspace, 8);
    fs::remove_dir_all(workspace.path("cache")).unwrap();
    resume(&workspace, 8);
    assert!(contents(&workspace.path("out")) == whole);
}

#[test]
fn a_cache_on_disk_may_hold_more_than_the_checkpoint_has_seen() {
    for dtype in ["float32", "float16"] {
        let mut workspace = workspace().with("teacher.cache", json!({ "path": "cache", "dtype": dtype }));
        workspace.set("training.ckpt_frequency", json!(3));
        resumes_to_the_same(&workspace, 2);
    }
}

#[test]
fn another_experiment_is_refused_by_its_key() {
    let mut workspace = workspace();
    workspace.run();
    interrupt(&workspace, 6);
    workspace.set("training.num_epochs", json!(2));
    refuses(&workspace, &["`training.num_epochs` is 2 and was 3", "longer, not shorter"]);
    workspace.set("training.num_epochs", json!(3));
    workspace.set("distillation.temperature", json!(2));
    refuses(&workspace, &["`distillation.temperature` is 2", "and was 4", "`student.model` to", "checkpoints/step-6"]);
    workspace.set("distillation.temperature", json!(4));
    workspace.set("optimizer.betas", json!([0.8, 0.999]));
    refuses(&workspace, &["`optimizer.betas.0` is 0.8 and was 0.9"]);
    workspace.set("optimizer", json!({ "name": "adamw", "lr": 1e-3 }));
    resume(&workspace, 6);
}

#[test]
fn files_that_changed_under_the_same_path_are_named() {
    let adaptor = json!({ "path": "adaptor.wasm" });
    let mut workspace = workspace().with("plugins", json!({ "adaptor": adaptor }));
    fs::copy(plugin("sequence-classification"), workspace.path("adaptor.wasm")).unwrap();
    fs::copy(workspace.path("train.jsonl"), workspace.path("dev.jsonl")).unwrap();
    workspace.set("data.dev", json!("dev.jsonl"));
    workspace.run();
    interrupt(&workspace, 6);
    let sources = [
        ("train.jsonl", "`data.train`"),
        ("dev.jsonl", "`data.dev`"),
        ("teacher/model.safetensors", "`teacher.model`"),
        ("teacher/config.json", "`teacher.model`"),
        ("student/model.safetensors", "`student.model`"),
        ("adaptor.wasm", "`plugins.adaptor.path`"),
    ];
    for (file, key) in sources {
        let original = fs::read(workspace.path(file)).unwrap();
        let mut changed = original.clone();
        if file.ends_with(".wasm") {
            // An empty custom section.
            changed.extend([0, 2, 1, b'x']);
        } else {
            // A digit of the data, a bit of the weights, a space in JSON.
            let last = changed.len() - 3;
            changed[last] ^= 1;
        }
        workspace.write(file, changed);
        refuses(&workspace, &["what it reads has changed", file.rsplit('/').next().unwrap(), key, "and was sha256:"]);
        workspace.write(file, original);
    }
    // A tokenizer where there was none.
    workspace.write("teacher/tokenizer.json", "{}");
    refuses(&workspace, &["tokenizer.json of `teacher.model` is sha256:", "was not there"]);
    fs::remove_file(workspace.path("teacher/tokenizer.json")).unwrap();
    workspace.write("teacher/vocab.txt", "[PAD]\n");
    workspace.write("teacher/tokenizer_config.json", "{}");
    refuses(&workspace, &["vocab.txt of `teacher.model`", "tokenizer_config.json of `teacher.model`", "was not there"]);
    fs::remove_file(workspace.path("teacher/vocab.txt")).unwrap();
    resume(&workspace, 6);
}

#[test]
fn a_project_may_move() {
    let workspace = workspace();
    workspace.run();
    let whole = contents(&workspace.path("out"));
    interrupt(&workspace, 6);
    let mut moved = Workspace::new();
    moved.experiment = workspace.experiment.clone();
    for folder in ["out", "teacher", "student"] {
        let _ = fs::remove_dir_all(moved.path(folder));
        fs::rename(workspace.path(folder), moved.path(folder)).unwrap();
    }
    fs::rename(moved.path("out"), moved.path("elsewhere")).unwrap();
    moved.set("training.output_dir", json!("elsewhere"));
    resume(&moved, 6);
    let mut found = contents(&moved.path("elsewhere"));
    let resolved = found
        .insert("experiment.resolved.json".into(), whole[std::path::Path::new("experiment.resolved.json")].clone());
    assert!(found == whole);
    assert!(String::from_utf8(resolved.unwrap()).unwrap().contains(moved.path("elsewhere").to_str().unwrap()));
}

#[test]
fn a_run_may_become_longer() {
    for (key, short, long) in [("num_epochs", 2, 3), ("num_steps", 12, 18)] {
        let mut workspace = workspace();
        workspace.remove("training");
        workspace.set("training", json!({ key: short, "output_dir": "out", "device": "cpu" }));
        if key == "num_steps" {
            workspace.set("training.ckpt_steps", json!(6));
        }
        workspace.run();
        workspace.set(&format!("training.{key}"), json!(long));
        let finished = resume(&workspace, 12);
        let said = format!("`training.{key}` is {long} and was {short}: the run is lengthened, and schedules follow");
        assert!(finished.stderr.contains(&said), "{}", finished.stderr);
        let lines = read_lines(&workspace.path("out/metrics.jsonl"));
        assert_eq!(lines.iter().filter(|line| line["step"].is_u64()).count(), 18);
        assert_eq!(checkpoint_steps(&workspace.path("out")), [6, 12, 18]);
        let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
        assert_eq!(resolved["training"][key], long);
        // With a constant schedule the longer run is the same.
        let lengthened = contents(&workspace.path("out"));
        fs::remove_dir_all(workspace.path("out")).unwrap();
        workspace.run();
        assert!(contents(&workspace.path("out")) == lengthened);
    }
}

#[test]
fn limits_permissions_and_batches_of_an_evaluation_may_change_and_it_is_said() {
    let callback = json!({ "path": plugin("guest-roles"), "config": { "do": "evaluate" }, "permissions": ["dataset"] });
    let mut workspace = workspace().with("plugins", json!({ "callbacks": [callback] }));
    // The checkpoint is there although its callback failed, and the callback runs again.
    workspace.start(&["run"]).check_failure(1, &["lacks the permission `read-values`"]);
    workspace.set("plugins.callbacks.0.permissions", json!(["dataset", "read-values"]));
    workspace.set("plugins.callbacks.0.limits", json!({ "call_seconds": 9 }));
    workspace.set("data.eval_batch_size", json!(3));
    let finished = resume(&workspace, 6);
    for said in [
        "`plugins.callbacks.0.permissions",
        "`plugins.callbacks.0.limits.call_seconds` is 9",
        "`data.eval_batch_size` is 3 and was not set",
    ] {
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
    let resumed = contents(&workspace.path("out"));
    workspace.run();
    let (found, whole) =
        (&resumed[std::path::Path::new("metrics.jsonl")], fs::read(workspace.path("out/metrics.jsonl")));
    assert!(*found == whole.unwrap());
}

#[test]
fn a_run_that_a_callback_stopped_stays_stopped() {
    let callback = json!({ "path": plugin("guest-roles"), "config": { "do": "stop" } });
    let workspace = workspace().with("plugins", json!({ "callbacks": [callback] }));
    workspace.run();
    let whole = contents(&workspace.path("out"));
    // The end came between the checkpoint and the student.
    fs::remove_dir_all(workspace.path("out/student")).unwrap();
    let finished = resume(&workspace, 6);
    assert!(finished.stderr.contains("stopped by a callback after step 6"), "{}", finished.stderr);
    assert!(contents(&workspace.path("out")) == whole);
}

#[test]
fn another_number_of_threads_is_said() {
    let mut workspace = workspace();
    workspace.run();
    assert_eq!(read_json(&workspace.path("out/run.json"))["teacher_devices"], json!({ "teacher": "cpu" }));
    interrupt(&workspace, 6);
    // The device that it was on, by another key.
    workspace.set("teacher.device", json!("cpu"));
    let mut command = workspace.command(&["run", "--resume"]);
    let finished = Finished::new(command.env("OMP_NUM_THREADS", "2").output().unwrap());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let said = "warning: the run began with 1 thread and resumes with 2 threads";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert_eq!(read_json(&workspace.path("out/run.json"))["threads"], 1);
}

#[test]
fn where_nothing_can_be_resumed_a_run_begins_unless_it_must_not() {
    let workspace = workspace();
    workspace.refuses_to(&["run", "--resume=must"], &["cannot resume the run in", "no checkpoint", "without `=must`"]);
    fs::remove_dir_all(workspace.path("out")).unwrap();
    let finished = workspace.start(&["run", "--resume"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("there is no checkpoint to resume from, so the run starts"),
        "{}",
        finished.stderr
    );
    let resumed = contents(&workspace.path("out"));
    fs::remove_dir_all(workspace.path("out")).unwrap();
    workspace.run();
    assert!(contents(&workspace.path("out")) == resumed);
    // A run that is at its end writes its student again.
    fs::remove_dir_all(workspace.path("out/student")).unwrap();
    resume(&workspace, 18);
    assert!(contents(&workspace.path("out")) == resumed);
}
