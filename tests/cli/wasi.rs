//! A component whose language asks for an operating system finds an empty one.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::authoring::{finished, plugin_command};
use crate::support::repository;

/// What the plugin does at each step; none may find what it looks for.
const DEEDS: [(&str, Option<&str>); 9] = [
    ("assert not os.environ, os.environ", None),
    ("assert time.time() < 1e6 and time.monotonic() < time.monotonic()", None),
    ("time.sleep(1e9)", None),
    ("print('hello'); print('careful', file=sys.stderr)", None),
    ("assert random.SystemRandom().random() != random.SystemRandom().random()", None),
    ("open('/etc/passwd')", Some("FileNotFoundError")),
    ("open('mine', 'w')", Some("Error: ")),
    ("threading.Thread(target=print).start()", Some("RuntimeError: can't start new thread")),
    ("os._exit(3)", Some("it ended itself")),
];

#[test]
fn an_operating_system_without_anything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let deeds: String = DEEDS.iter().map(|(deed, _)| format!("    lambda: exec({deed:?}),\n")).collect();
    let source = format!(
        "import os, random, sys, threading, time\nfrom brewer_sdk import adaptor\n\nDEEDS = [\n{deeds}]\n\n\n\
         @adaptor\ndef adapt(batch, outputs, context):\n    DEEDS[context.step]()\n    \
         return {{\"logits\": outputs[\"logits\"]}}\n"
    );
    fs::write(folder.path().join("system.py"), source).unwrap();
    let sdk = repository().join("sdk/python");
    let mut build = Command::new("python3");
    build.current_dir(folder.path()).env("PYTHONPATH", repository().join("target/tools/python"));
    build.args(["-c", "import componentize_py; componentize_py.script()", "-d"]).arg(repository().join("wit"));
    build.args(["-w", "adaptor-plugin", "componentize", "-p", ".", "-p"]).arg(sdk);
    build.args(["-o", "system.wasm", "system"]);
    let built = finished(&mut build);
    assert_eq!(built.code, 0, "{}", built.stderr);

    let case = |(step, (deed, error)): (usize, &(&str, Option<&str>))| {
        let mut case = json!({
            "name": deed, "role": "adaptor", "step": step, "outputs": { "logits": { "shape": [1, 2] } },
        });
        if let Some(error) = error {
            case["error"] = json!(error);
        }
        case
    };
    let cases: Vec<_> = DEEDS.iter().enumerate().map(case).collect();
    fs::write(folder.path().join("system.test.json"), json!({ "cases": cases }).to_string()).unwrap();
    let tested = finished(&mut plugin_command(folder.path(), &["test", "system.wasm"]));
    assert_eq!(tested.code, 0, "{}\n{}", tested.stdout, tested.stderr);
    for line in ["info: hello", "warn: careful"] {
        // Once: the calls that are measured say nothing.
        assert_eq!(tested.stderr.matches(line).count(), 1, "`{line}`: {}", tested.stderr);
    }
}
