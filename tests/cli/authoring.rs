//! `brewer-host plugin`: from `new` to a tested component, in every language, and what a stranger's component is.

use std::collections::BTreeSet;
use std::fs;
use std::iter;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{brewer_host, plugin, repository};
use crate::workspace::Finished;

pub fn finished(command: &mut Command) -> Finished {
    Finished::new(command.output().unwrap())
}

/// `plugin …` in a folder, with the tools of all languages at hand.
pub fn plugin_command(folder: &Path, arguments: &[&str]) -> Command {
    let tools = repository().join("target/tools");
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\nPYTHONPATH={} exec python3 -c 'import componentize_py; componentize_py.script()' \"$@\"\n",
        tools.join("python").display()
    );
    let program = bin.join("componentize-py");
    fs::write(&program, script).unwrap();
    Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    let mut command = brewer_host(folder);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // One place for what the crates of all plugins depend on.
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/new-plugin");
    command.arg("plugin").args(arguments).env("PATH", path).env("CARGO_TARGET_DIR", target);
    command
}

/// Makes a project, with the packages of JavaScript installed.
#[track_caller]
pub fn new_project(folder: &Path, name: &str, language: &str, role: &str) -> Finished {
    let made = finished(&mut plugin_command(folder, &["new", name, "--lang", language, "--role", role]));
    assert_eq!(made.code, 0, "{}", made.stderr);
    if language.ends_with("script") {
        let installed = repository().join("target/tools/javascript/node_modules");
        std::os::unix::fs::symlink(installed, folder.join(name).join("node_modules")).unwrap();
    }
    made
}

/// Makes a plugin, builds it, tests it and looks at it.
#[track_caller]
fn made_built_and_tested(language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finished(&mut plugin_command(folder.path(), arguments));
    let made = new_project(folder.path(), "my-adaptor", language, "adaptor");
    assert!(made.stdout.contains("brewer-host plugin build my-adaptor"), "{}", made.stdout);
    let built = run(&["build", "my-adaptor"]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    let tested = run(&["test", "my-adaptor.wasm", "--cases", "my-adaptor/plugin.test.json"]);
    assert_eq!(tested.code, 0, "{}\n{}", tested.stdout, tested.stderr);
    assert!(tested.stdout.contains("3 of 3 as expected"), "{}", tested.stdout);
    assert!(tested.stdout.contains("requests to the host"), "{}", tested.stdout);
    let inspected = run(&["inspect", "my-adaptor.wasm", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(inspected["roles"], json!(["adaptor"]));
    assert_eq!(inspected["contract"], "brewer:plugin@0.1.0");
    assert_eq!(inspected["manifest"]["name"], "my-adaptor");
    assert_eq!(inspected["manifest"]["contract"], "brewer:plugin@0.1.0");
}

#[test]
fn a_plugin_in_rust() {
    made_built_and_tested("rust");
}

#[test]
fn a_plugin_in_python() {
    made_built_and_tested("python");
}

#[test]
fn a_plugin_in_javascript() {
    made_built_and_tested("javascript");
}

#[test]
fn a_plugin_in_typescript() {
    made_built_and_tested("typescript");
}

#[test]
fn a_plugin_in_c() {
    made_built_and_tested("c");
}

/// The roles beside the adaptor.
const ROLES: [&str; 6] =
    ["batch-postprocessor", "callback", "kd-loss", "match-loss", "temperature-scheduler", "weight-scheduler"];

/// Makes, builds and tests a plugin of every role.
fn every_role(language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finished(&mut plugin_command(folder.path(), arguments));
    for role in ROLES {
        new_project(folder.path(), role, language, role);
        let built = run(&["build", role]);
        assert_eq!(built.code, 0, "{role}: {}", built.stderr);
        let component = format!("{role}.wasm");
        let cases = format!("{role}/plugin.test.json");
        let tested = run(&["test", &component, "--cases", &cases]);
        assert_eq!(tested.code, 0, "{role}: {}{}", tested.stdout, tested.stderr);
        let inspected = run(&["inspect", &component, "--json"]);
        let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
        assert_eq!(inspected["roles"], json!([role]));
    }
}

#[test]
fn every_role_in_rust() {
    every_role("rust");
}

#[test]
fn every_role_in_python() {
    every_role("python");
}

#[test]
fn every_role_in_javascript() {
    every_role("javascript");
}

#[test]
fn every_role_in_typescript() {
    every_role("typescript");
}

#[test]
fn every_role_in_c() {
    every_role("c");
}

/// Builds one component with every role, and has it do in each what it does in the other languages. `number` is what a number
/// is called in messages, where the language does not refuse a state that is one before it is run.
#[track_caller]
fn all_roles_at_once(language: &str, source: &str, number: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    new_project(folder.path(), "all", language, "adaptor");
    let (project, every_role) = (folder.path().join("all"), repository().join("tests/languages/every_role"));
    let manifest = project.join("plugin.json");
    let mut keys: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let roles: Vec<&str> = iter::once("adaptor").chain(ROLES).collect();
    keys["roles"] = json!(roles);
    keys["state"] = json!(true);
    // Of the template's adaptor, which has another configuration.
    keys.as_object_mut().unwrap().remove("config_schema");
    keys["permissions"] = json!(["dataset", "parameters", "read-values"]);
    fs::write(&manifest, keys.to_string()).unwrap();
    for file in [source, "plugin.test.json"] {
        fs::copy(every_role.join(file), project.join(file)).unwrap();
    }
    let run = |arguments: &[&str]| finished(&mut plugin_command(folder.path(), arguments));
    let built = run(&["build", "all"]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    let inspected: Value = serde_json::from_str(&run(&["inspect", "all.wasm", "--json"]).stdout).unwrap();
    let found: BTreeSet<&str> =
        inspected["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect();
    assert_eq!(found, roles.into_iter().collect());
    assert_eq!(inspected["state"], true);
    let tested = run(&["test", "all.wasm", "--cases", "all/plugin.test.json"]);
    assert_eq!(tested.code, 0, "{}\n{}", tested.stdout, tested.stderr);
    assert!(tested.stdout.contains("11 of 11 as expected"), "{}", tested.stdout);
    let Some(number) = number else { return };
    let case =
        json!({ "name": "", "role": "weight-scheduler", "step": 3, "progress": 0.5, "expect": { "weight": 0.25 } });
    let cases = json!({
        "config": { "save": "a number" },
        "permissions": keys["permissions"],
        "cases": [case],
    });
    fs::write(project.join("number.test.json"), cases.to_string()).unwrap();
    let tested = run(&["test", "all.wasm", "--cases", "all/number.test.json"]);
    assert_ne!(tested.code, 0, "{}", tested.stdout);
    let expected = format!("TypeError: what saves the state returned {number}; expected");
    assert!(format!("{}{}", tested.stdout, tested.stderr).contains(&expected), "{}\n{}", tested.stdout, tested.stderr);
}

#[test]
fn all_roles_at_once_in_python() {
    all_roles_at_once("python", "adaptor.py", Some("int"));
}

#[test]
fn all_roles_at_once_in_typescript() {
    all_roles_at_once("typescript", "adaptor.ts", Some("a number"));
}

#[test]
fn all_roles_at_once_in_c() {
    all_roles_at_once("c", "adaptor.c", None);
}

#[test]
fn what_new_cannot_make_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], expected: &[&str]| {
        finished(&mut plugin_command(folder.path(), arguments)).check_failure(2, expected);
    };
    refused(&["new", "Mine", "--lang", "c"], &["`Mine` cannot be the name", "lower-case"]);
    refused(
        &["new", "mine", "--lang", "c", "--role", "teacher"],
        &["no template for the role `teacher` in c", "adaptor"],
    );
    fs::create_dir(folder.path().join("mine")).unwrap();
    refused(&["new", "mine", "--lang", "c"], &["mine is there already"]);
    refused(&["build", "mine"], &["mine is no plugin's folder", "plugin new"]);
    let unknown = finished(&mut plugin_command(folder.path(), &["new", "other", "--lang", "cobol"]));
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("rust, python, javascript, typescript, c"), "{}", unknown.stderr);
}

#[test]
fn a_missing_tool_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (language, expected) in
        [("python", "pip install componentize-py=="), ("typescript", "npm install"), ("c", "apt-get install clang-19")]
    {
        let run = |arguments: &[&str]| finished(plugin_command(folder.path(), arguments).env("PATH", "/nowhere"));
        assert_eq!(run(&["new", language, "--lang", language]).code, 0);
        run(&["build", language]).check_failure(2, &[expected]);
    }
}

#[test]
fn inspecting_shows_what_a_plugin_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = |name: &str| {
        let path = plugin(name);
        finished(&mut plugin_command(folder.path(), &["inspect", path.to_str().unwrap()]))
    };
    let official = inspect("early-stopping");
    for expected in [
        "early-stopping 0.1.0",
        "Apache-2.0",
        "brewer:plugin@0.1.0",
        "callback",
        "permissions  asks for none",
        "patience",
    ] {
        assert!(official.stdout.contains(expected), "`{expected}`: {}", official.stdout);
    }
    let bare = inspect("guest-roles");
    for expected in
        ["none: the plugin does not describe itself", "kd-loss, match-loss", "whatever the experiment grants"]
    {
        assert!(bare.stdout.contains(expected), "`{expected}`: {}", bare.stdout);
    }
}

#[test]
fn a_test_that_fails_shows_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let test = |cases: Value| {
        fs::write(folder.path().join("cases.json"), cases.to_string()).unwrap();
        let path = plugin("guest-losses");
        let arguments = ["test", path.to_str().unwrap(), "--cases", "cases.json"];
        finished(&mut plugin_command(folder.path(), &arguments))
    };
    let layers = |values: [f64; 4]| json!([{ "shape": [1, 2, 2], "values": values }]);
    let case = |expected: f64| {
        json!({
            "config": { "loss": "hidden_mse" },
            "cases": [
                { "name": "a mean of squares", "role": "match-loss", "student": layers([1.0, 2.0, 3.0, 4.0]),
                  "teacher": layers([1.0, 2.0, 3.0, 2.0]), "expect": { "loss": expected } },
            ],
        })
    };
    assert_eq!(test(case(1.0)).code, 0);
    let failed = test(case(2.0));
    assert_eq!(failed.code, 1);
    assert!(failed.stdout.contains("loss: expected 2.0, found 1.000000"), "{}", failed.stdout);
    assert!(failed.stdout.contains("0 of 1 as expected"), "{}", failed.stdout);
    test(json!({ "case": [] })).check_failure(2, &["cases.json", "`case`", "did you mean `cases`?"]);
}

#[test]
fn a_test_computes_the_gradient_of_a_loss_too() {
    let folder = tempfile::tempdir().unwrap();
    let test = |name: &str, config: Value, case: Value| {
        let cases = json!({ "config": config, "cases": [case] });
        fs::write(folder.path().join("cases.json"), cases.to_string()).unwrap();
        let path = plugin(name);
        let tested =
            finished(&mut plugin_command(folder.path(), &["test", path.to_str().unwrap(), "--cases", "cases.json"]));
        assert_eq!(tested.code, i32::from(!tested.stdout.contains("1 of 1 as expected")), "{}", tested.stderr);
        tested.stdout
    };
    let tensor = |values: [f64; 2]| json!([{ "shape": [1, 2], "values": values }]);
    let squares = |gradient: Value| {
        let mut case = json!({ "name": "squares", "role": "kd-loss", "student": tensor([1.0, 3.0]),
            "teacher": tensor([1.0, 1.0]), "expect": { "loss": 2.0 } });
        if !gradient.is_null() {
            case["gradient"] = gradient;
        }
        test("guest-roles", json!({}), case)
    };
    let shown = squares(json!(null));
    assert!(shown.contains("gradient     float32 [1, 2], norm 2.000000"), "{shown}");
    assert!(squares(json!([[0.0, 2.0]])).contains("1 of 1 as expected"));
    for (gradient, expected) in [
        (json!([[0.0, 1.0]]), "gradient of student[0]: expected 1 at element 1, found 2"),
        (json!([[0.0]]), "gradient of student[0]: expected 1 numbers, found 2"),
        (json!([null]), "gradient of student[0]: expected none, found one"),
        (json!([]), "gradient: expected 0 tensors, found 1"),
    ] {
        let shown = squares(gradient);
        assert!(shown.contains(expected), "`{expected}` is not in: {shown}");
    }
    let steep = json!({ "name": "steep", "role": "kd-loss", "student": tensor([1.0, 1.0]), "teacher": tensor([1.0, 1.0]),
        "expect": { "loss": 0.0 } });
    let shown = test("guest-roles", json!({ "do": "steep" }), steep);
    assert!(shown.contains("gradient of student[0]: expected finite numbers, found NaN at element 0"), "{shown}");
    let layers = json!([{ "shape": [1, 2, 2] }, { "shape": [1, 2, 2] }]);
    let half = |gradient: Option<Value>| {
        let mut case = json!({ "name": "half", "role": "match-loss", "student": layers, "teacher": layers });
        if let Some(gradient) = gradient {
            case["gradient"] = gradient;
        }
        case["teacher"][0]["values"] = json!([0, 0, 0, 0]);
        case["student"][0]["values"] = json!([0, 0, 0, 2]);
        test("guest-roles", json!({ "do": "one-of-two" }), case)
    };
    let shown = half(None);
    assert!(shown.contains("gradient of student[1]: expected finite numbers, found none"), "{shown}");
    assert!(half(Some(json!([[0, 0, 0, 1], null]))).contains("1 of 1 as expected"));
    let weight = json!({ "name": "weight", "role": "weight-scheduler", "gradient": [[1]] });
    let shown = test("guest-roles", json!({}), weight);
    assert!(shown.contains("gradient: expected one, and only losses have one"), "{shown}");
}

#[test]
fn a_configuration_is_checked_before_the_run() {
    let mut workspace = crate::workspace::Workspace::new();
    let callback = |config: Value| json!({ "callbacks": [{ "path": plugin("early-stopping"), "config": config }] });
    workspace.set("plugins", callback(json!({ "patience": 0 })));
    workspace.refuses(&["early-stopping.wasm", "cannot be given this `config`", "patience: 0", "minimum of 1"]);
    workspace.set("plugins", callback(json!({ "patients": 1 })));
    workspace.refuses(&["early-stopping.wasm", "`config`", "patients"]);
}
