//! Plugins in every role, in whole runs.

use serde_json::{Value, json};

use crate::support::{plugin, read_lines};
use crate::workspace::Workspace;

/// The component that has every role, asked to do something.
fn every_role(deed: &str, permissions: Value) -> Value {
    json!({ "path": plugin("guest-roles"), "config": { "do": deed }, "permissions": permissions })
}

fn built_in_as_plugin(loss: &str) -> Value {
    json!({ "path": plugin("guest-losses"), "config": { "loss": loss } })
}

fn scalars(workspace: &Workspace, name: &str) -> Vec<f64> {
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    lines.iter().filter_map(|line| line.get(name)?.as_f64()).collect()
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{found}, {expected}");
    }
}

#[test]
fn losses_and_schedulers_of_plugins_train_as_the_built_in_ones() {
    let (student, teacher) = Workspace::new().hidden_sizes();
    let distillation = |kd: &str, hidden: &str, temperature: &str, weight: &str| {
        json!({
            "temperature": 4,
            "kd_loss_type": kd,
            "temperature_scheduler": temperature,
            "kd_loss_weight_scheduler": weight,
            "intermediate_matches": [
                { "layer_T": 3, "layer_S": 1, "feature": "hidden", "loss": hidden, "weight": 2,
                  "proj": ["linear", student, teacher] },
            ],
        })
    };
    let mut workspace = Workspace::new().with("training.num_epochs", json!(2));
    workspace.set("distillation", distillation("ce", "hidden_mse", "constant", "linear_decay"));
    workspace.run();
    let expected = scalars(&workspace, "total_loss");

    workspace.set("distillation", distillation("plugin:kd", "plugin:hidden", "plugin:t", "plugin:w"));
    let losses = json!({ "kd": built_in_as_plugin("ce"), "hidden": built_in_as_plugin("hidden_mse") });
    let schedulers = json!({ "t": built_in_as_plugin("constant"), "w": built_in_as_plugin("linear_decay") });
    workspace.set("plugins", json!({ "losses": losses, "schedulers": schedulers }));
    let finished = workspace.run();
    assert_near(&scalars(&workspace, "total_loss"), &expected);
    assert!(finished.stderr.contains("plugin:kd"), "{}", finished.stderr);
    assert_eq!(scalars(&workspace, "unweighted_hidden_hidden_1_3").len(), expected.len());
}

#[test]
fn a_kd_loss_is_computed_in_chunks_of_rows() {
    let mut workspace = Workspace::new().with("distillation", json!({ "kd_loss_type": "ce", "temperature": 4 }));
    workspace.run();
    let expected = scalars(&workspace, "total_loss");
    workspace.set("distillation.kd_chunk_rows", json!(3));
    let finished = workspace.run();
    assert_near(&scalars(&workspace, "total_loss"), &expected);
    assert!(finished.stderr.contains("in chunks of 3 rows"), "{}", finished.stderr);

    // A plugin's, which returns a number for each row.
    let mut of_rows = built_in_as_plugin("ce");
    of_rows["config"]["rows"] = json!(true);
    workspace.set("distillation.kd_loss_type", json!("plugin:kd"));
    workspace.set("plugins", json!({ "losses": { "kd": of_rows } }));
    workspace.run();
    assert_near(&scalars(&workspace, "total_loss"), &expected);

    workspace.set("plugins", json!({ "losses": { "kd": built_in_as_plugin("ce") } }));
    workspace.refuses(&["kd_chunk_rows: plugin guest-losses.wasm returned one number for all rows", "for each row"]);
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    let mut workspace = Workspace::new().with("distillation.kd_loss_type", json!("plugin:mine"));
    workspace.refuses(&["kd_loss_type", "there is no plugin `mine`", "losses"]);
    workspace.set("plugins", json!({ "losses": { "mines": built_in_as_plugin("ce") } }));
    workspace.refuses(&["kd_loss_type", "did you mean `mines`?"]);
    workspace.set("distillation.kd_loss_type", json!(["plugin:mines", 2]));
    workspace.refuses(&["kd_loss_type", "`config`"]);
    workspace.set("distillation.kd_loss_type", json!("plugin:mines"));
    workspace.set("plugins.losses.mines", json!({ "path": plugin("sequence-classification") }));
    workspace.refuses(&["sequence-classification.wasm", "has no role `kd-loss`", "`adaptor`"]);
}

#[test]
fn a_plugin_fills_all_roles_that_it_exports() {
    let path = plugin("guest-roles");
    let workspace = Workspace::new();
    let finished = workspace.start(&["run", "--plugin", path.to_str().unwrap()]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("plugin:guest-roles"), "{}", finished.stderr);
    assert!(finished.stderr.contains("is not used as match-loss, temperature-scheduler, weight-scheduler"));
    for role in ["adaptor", "postprocessor", "callback"] {
        let line = finished.stderr.lines().find(|line| line.trim_start().starts_with(role));
        assert!(line.is_some_and(|line| line.contains("guest-roles.wasm")), "{role}: {}", finished.stderr);
    }
    assert_eq!(scalars(&workspace, "seen_steps"), [6.0]);
}

#[test]
fn callbacks_look_measure_and_stop() {
    let mut workspace = Workspace::new().with("training.num_epochs", json!(4));
    workspace.set("plugins", json!({ "callbacks": [every_role("statistics", json!(["parameters"]))] }));
    workspace.run();
    assert_eq!(scalars(&workspace, "classifier_norm").len(), 4);

    let rights = json!(["dataset", "read-values"]);
    workspace.set("plugins", json!({ "callbacks": [every_role("evaluate", rights), every_role("stop", json!([]))] }));
    let finished = workspace.run();
    assert_eq!(scalars(&workspace, "train_loss").len(), 1);
    assert!(finished.stderr.contains("stopped by a callback after step 6"), "{}", finished.stderr);
    assert!(finished.stderr.contains("train_loss "), "{}", finished.stderr);
    // The student is there as it was when the run was stopped.
    assert!(workspace.path("out/student/model.safetensors").is_file());
}

#[test]
fn early_stopping_ends_a_run_that_gets_no_better() {
    let mut workspace = Workspace::new().with("training.num_epochs", json!(9));
    workspace.set("data.dev", json!("train.jsonl"));
    workspace.set("optimizer.lr", json!(1e-12));
    let config = json!({ "metric": "dev_loss", "patience": 2, "min_delta": 0.01 });
    workspace.set("plugins", json!({ "callbacks": [{ "path": plugin("early-stopping"), "config": config }] }));
    let finished = workspace.run();
    assert_eq!(scalars(&workspace, "best_dev_loss").len(), 3, "{}", finished.stderr);
    // Checking it calls it once, and is not heard of it.
    let checked = workspace.start(&["check"]);
    assert_eq!((checked.code, checked.stderr.matches("no better").count()), (0, 0), "{}", checked.stderr);

    workspace.set("plugins.callbacks.0.config.metric", json!("dev_losss"));
    let expected = [
        "early-stopping.wasm: config.metric: nothing is reported as `dev_losss` at checkpoints",
        "there are dev_loss, dev_accuracy",
    ];
    workspace.refuses(&expected);
    workspace.refuses_to(&["check"], &expected);
    // By default it looks at a number that there is only with data to evaluate on.
    workspace.set("plugins.callbacks.0.config", json!({}));
    workspace.run();
    workspace.experiment["data"].as_object_mut().unwrap().remove("dev");
    workspace.refuses(&["config.metric: nothing is reported as `dev_loss`", "with `data.dev`"]);
}

#[test]
fn what_a_callback_logs_is_told_from_what_the_host_says() {
    let workspace = Workspace::new().with("plugins", json!({ "callbacks": [every_role("log", json!([]))] }));
    let finished = workspace.run();
    let mut lines = finished.stderr.lines().skip_while(|line| !line.contains("guest-roles.wasm info:"));
    assert_eq!(lines.next(), Some("  guest-roles.wasm info: first"));
    assert_eq!(lines.next(), Some(r"    error: a line of its own\u{202e}\u{1b}[2J\r"));
    // A call that is made to find mistakes is not heard.
    assert!(!workspace.start(&["check"]).stderr.contains("a line of its own"));
}

#[test]
fn what_callbacks_may_not_do_is_one_error() {
    let deeds = [
        ("evaluate", json!([]), "lacks the permission `dataset`"),
        ("evaluate", json!(["dataset"]), "lacks the permission `read-values`"),
        ("report-nan", json!([]), "expected a finite number"),
        ("report-twice", json!([]), "was reported already"),
        (
            "report-odd-name",
            json!([]),
            r"the name `a name\n\u{202e}` for a number; expected at most 128 letters, digits",
        ),
        ("report-reserved", json!([]), "`global_step` is a number of the host's own; take another name"),
        ("report-much", json!([]), "`limits."),
        ("no-split", json!(["dataset"]), "the data has no split `tests`; it has train"),
        ("beyond", json!(["dataset"]), "there is no batch 4294967295"),
        ("statistics", json!([]), "lacks the permission `parameters`"),
        ("no-parameter", json!(["parameters"]), "no parameter `bert.nothing`"),
        ("no-output", json!(["dataset"]), "the student returns no `everything`"),
        ("wild-batch", json!(["dataset"]), "`input_ids`: the index"),
        ("panic", json!([]), "panicked at tests/roles/guests/guest-roles/src/lib.rs"),
        ("loop", json!([]), "did not return in time"),
    ];
    for (deed, permissions, expected) in deeds {
        let mut callback = every_role(deed, permissions);
        callback["limits"] = json!({ "call_seconds": 0.5 });
        let workspace = Workspace::new().with("plugins", json!({ "callbacks": [callback] }));
        let finished = workspace.start(&["run"]);
        finished.check_failure(1, &["plugin guest-roles.wasm (callback, step 6): ", expected]);
        // What is wrong shows before the run to those who ask, and is no part of what they are told then.
        let checked = workspace.start(&["check"]);
        checked.check_failure(1, &["plugin guest-roles.wasm (callback, step 0): ", expected]);
        // The checkpoint is saved all the same.
        assert!(workspace.path("out/checkpoints/step-6/model.safetensors").is_file());
    }
}

#[test]
fn a_batch_that_the_models_cannot_read_is_an_error() {
    let mut workspace = Workspace::new();
    workspace.set("plugins", json!({ "batch_postprocessor": every_role("", json!([])) }));
    workspace.run();
    workspace.set("plugins", json!({ "batch_postprocessor": every_role("wild-ids", json!([])) }));
    let expected = ["guest-roles.wasm (batch-postprocessor, step 0)", "`input_ids`: the index", "is outside 0..97"];
    workspace.start(&["run"]).check_failure(1, &expected);
    workspace.set("plugins", json!({ "batch_postprocessor": every_role("empty", json!([])) }));
    workspace
        .start(&["run"])
        .check_failure(1, &["guest-roles.wasm (batch-postprocessor, step 0)", "a batch without a tensor"]);
}

#[test]
fn a_loss_that_is_not_a_number_stops_the_run() {
    let mut workspace = Workspace::new().with("distillation.kd_loss_type", json!("plugin:bad"));
    workspace.set("plugins", json!({ "losses": { "bad": every_role("nan", json!([])) } }));
    workspace.start(&["run"]).check_failure(1, &["step 0", "unweighted_kd_loss is NaN"]);
}

#[test]
fn batches_that_a_plugin_fails_on_are_left_out_if_the_experiment_says_so() {
    let mut workspace = Workspace::new().with("training.max_grad_norm", json!(1));
    workspace.set("plugins", json!({ "adaptor": every_role("trap-at-steps", json!([])), "skip_batches": 2 }));
    let finished = workspace.run();
    assert_eq!(finished.stderr.matches("batch skipped: ").count(), 2, "{}", finished.stderr);
    assert_eq!(scalars(&workspace, "total_loss").len(), 4);
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    assert!(lines[3]["skipped"].as_str().unwrap().contains("guest-roles.wasm (teacher, step 2)"), "{}", lines[3]);
    workspace.set("plugins.skip_batches", json!(1));
    workspace.start(&["run"]).check_failure(1, &["guest-roles.wasm (teacher, step 4)"]);
    workspace.set("plugins.skip_batches", json!(0));
    workspace.start(&["run"]).check_failure(1, &["guest-roles.wasm (teacher, step 2)"]);
}
