//! `--plugin` and what stands behind it: a plugin is used, or the error says what to add.

use std::fs;

use serde_json::{Value, json};

use crate::support::{plugin, read_json, read_lines};
use crate::workspace::{Finished, Workspace};

/// The losses of each step.
fn losses(workspace: &Workspace) -> Vec<f64> {
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    lines.iter().filter_map(|line| line["total_loss"].as_f64()).collect()
}

/// A component that has a role by name alone: enough to be asked for its roles.
fn with_role(role: &str) -> Vec<u8> {
    let text = format!(r#"(component (instance $role) (export "brewer:plugin/{role}@0.1.0" (instance $role)))"#);
    wat::parse_str(text).unwrap()
}

/// A run that succeeds.
#[track_caller]
fn run(workspace: &Workspace, arguments: &[&str]) -> Finished {
    let finished = workspace.start(&[&["run"], arguments].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    finished
}

#[test]
fn a_kd_loss_replaces_the_built_in_one() {
    let mut workspace = Workspace::new().with("distillation.kd_loss_type", json!("mse"));
    workspace.run();
    let expected = losses(&workspace);
    workspace.set("distillation.kd_loss_type", json!("ce"));
    workspace.run();
    assert_ne!(losses(&workspace), expected);
    let path = plugin("guest-losses");
    workspace.write("config.json", r#"{ "loss": "mse" }"#);
    for config in [r#"{"loss": "mse"}"#, "@config.json"] {
        let options =
            ["--plugin", path.to_str().unwrap(), "--plugin-config", config, "--plugin-limit", "call_seconds=20"];
        run(&workspace, &options);
        let near = |(found, expected): (&f64, &f64)| (found - expected).abs() < 1e-5 * (1.0 + expected.abs());
        assert!(losses(&workspace).iter().zip(&expected).all(near), "{:?}, {expected:?}", losses(&workspace));
    }
    let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
    assert_eq!(resolved["distillation"]["kd_loss_type"], "plugin:guest-losses");
    let spec = &resolved["plugins"]["losses"]["guest-losses"];
    assert_eq!((&spec["config"]["loss"], &spec["limits"]["call_seconds"]), (&json!("mse"), &json!(20)));
}

#[test]
fn a_role_without_a_place_is_an_error_with_what_to_add() {
    let workspace = Workspace::new();
    for (role, expected) in [
        (
            "match-loss",
            r#""losses": { "mine": { "path": "mine.wasm" } } } and "distillation": { "intermediate_matches": ["#,
        ),
        ("temperature-scheduler", r#""distillation": { "temperature_scheduler": "plugin:mine" }"#),
        ("weight-scheduler", r#""schedulers": { "mine": { "path": "mine.wasm" } } }"#),
    ] {
        workspace.write("mine.wasm", with_role(role));
        let expected = ["--plugin mine.wasm: nothing in the experiment uses a ", role, expected];
        workspace.refuses_to(&["run", "--plugin", "mine.wasm"], &expected);
        workspace.refuses_to(&["check", "--plugin", "mine.wasm"], &expected);
    }
}

#[test]
fn a_plugin_that_nothing_names_is_an_error() {
    let spec = json!({ "path": plugin("guest-losses"), "config": { "loss": "ce" } });
    let mut workspace = Workspace::new().with("plugins", json!({ "losses": { "mine": spec } }));
    workspace.refuses(&["plugins.losses.mine: would not be used", "\"plugin:mine\" as `distillation.kd_loss_type`"]);
    workspace.set("plugins", json!({ "schedulers": { "mine": spec } }));
    workspace.refuses(&["plugins.schedulers.mine: would not be used", "`temperature_scheduler`"]);
    let adaptor = json!({ "path": plugin("sequence-classification") });
    workspace.set("plugins", json!({ "adaptor": adaptor }));
    workspace.set("teacher.adaptor", adaptor.clone());
    workspace.set("student.adaptor", adaptor);
    workspace.refuses(&["plugins.adaptor: would not be used: every model has an adaptor of its own"]);
}

#[test]
fn two_plugins_do_not_take_one_place() {
    let workspace = Workspace::new();
    let path = plugin("sequence-classification");
    fs::copy(&path, workspace.path("other.wasm")).unwrap();
    let arguments = ["run", "--plugin", path.to_str().unwrap(), "--plugin", "other.wasm"];
    workspace.refuses_to(&arguments, &["--plugin other.wasm: it would take `plugins.adaptor` from "]);
}

#[test]
fn what_is_said_of_a_plugin_stands_behind_it() {
    let path = plugin("guest-roles");
    let adaptor = plugin("sequence-classification");
    let (path, adaptor) = (path.to_str().unwrap(), adaptor.to_str().unwrap());
    let deed = r#"{ "do": "evaluate" }"#;
    let mut workspace = Workspace::new();
    // The losses of this plugin are those of `plugins`, and it is no callback there.
    workspace.set("plugins", json!({ "callbacks": [{ "path": path, "config": { "do": "evaluate" } }] }));
    workspace.start(&["run"]).check_failure(1, &["lacks the permission `dataset`"]);
    let grants = ["--grant", "dataset", "--grant", "read-values"];
    let behind = [&["--plugin", adaptor, "--plugin", path, "--plugin-config", deed][..], &grants].concat();
    workspace.start(&[&["run"][..], &behind].concat()).check_failure(2, &["it would take `plugins.adaptor`"]);
    run(&workspace, &[&["--plugin", path][..], &grants].concat());
    let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
    let granted = &resolved["plugins"]["callbacks"][0]["permissions"];
    assert_eq!(
        (granted, resolved["plugins"]["callbacks"].as_array().unwrap().len()),
        (&json!(["dataset", "read-values"]), 1)
    );

    let refused = |arguments: &[&str], expected: &str| {
        let finished = workspace.start(&[&["run"], arguments].concat());
        assert_eq!(finished.code, 2);
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    };
    refused(&["--grant", "dataset", "--plugin", path], "--grant stands before every --plugin");
    refused(&["--plugin", path, "--plugin-config", "{"], "it is not valid JSON");
    refused(&["--plugin", path, "--plugin-config", "@nowhere.json"], "nowhere.json cannot be read");
    refused(&["--plugin", path, "--plugin-limit", "call_seconds"], "expected KEY=NUMBER");
    refused(&["--plugin", path, "--plugin-limit", "call_second=1"], "did you mean `call_seconds`?");
    refused(&["--plugin", path, "--grant", "everything"], "unknown value `everything`");
}

#[test]
fn another_file_gets_nothing_that_was_granted_to_the_first() {
    let mut workspace = Workspace::new();
    let path = plugin("sequence-classification");
    let digest = "0".repeat(64);
    let spec =
        json!({ "path": "first.wasm", "permissions": ["dataset"], "sha256": digest, "limits": { "handles": 77 } });
    workspace.set("plugins", json!({ "adaptor": spec }));
    run(&workspace, &["--plugin", path.to_str().unwrap()]);
    let resolved = read_json(&workspace.path("out/experiment.resolved.json"));
    let adaptor = &resolved["plugins"]["adaptor"];
    assert_eq!((&adaptor["permissions"], &adaptor["limits"]["handles"]), (&json!([]), &json!(77)));
    assert_ne!(adaptor["sha256"], Value::String(digest));
}
