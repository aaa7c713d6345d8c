//! What is printed where, and what happens when nobody reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{plugin, read_lines};
use crate::workspace::{Finished, Workspace};

/// A disk that is always full.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[track_caller]
fn check_trained(workspace: &Workspace, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(workspace.path("out/student/model.safetensors").is_file(), "{stderr}");
    assert_eq!(read_lines(&workspace.path("out/metrics.jsonl")).len(), 9);
}

#[test]
fn a_run_survives_the_loss_of_its_log() {
    let logs: [fn(&mut Command); 4] = [
        |command| {
            command.stderr(closed());
        },
        |command| {
            command.stderr(full());
        },
        |command| {
            command.stdout(closed()).stderr(closed());
        },
        |command| {
            command.stdout(full()).stderr(full());
        },
    ];
    for lose in logs {
        let workspace = Workspace::new();
        let mut command = workspace.command(&["run"]);
        lose(&mut command);
        check_trained(&workspace, &command.output().unwrap());
    }
    // What was lost is said where it can be.
    let workspace = Workspace::new();
    let output = workspace.command(&["run", "--json"]).stdout(full()).output().unwrap();
    check_trained(&workspace, &output);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("error: cannot write to standard output: No space left"), "{stderr}");
    assert_eq!(stderr.matches("No space left").count(), 1, "{stderr}");
}

#[test]
fn a_plugin_that_logs_into_a_closed_pipe_does_no_harm() {
    let workspace = Workspace::new().with("training.num_epochs", json!(3)).with("data.dev", json!("train.jsonl"));
    let stopping = json!({ "metric": "dev_loss", "patience": 1, "higher_is_better": true });
    let plugins = json!({ "callbacks": [{ "path": plugin("early-stopping"), "config": stopping }] });
    let workspace = workspace.with("plugins", plugins);
    let output = workspace.command(&["run"]).stderr(closed()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(workspace.path("out/student/model.safetensors").is_file());
}

#[test]
fn a_result_without_a_reader_ends_quietly_and_one_that_is_lost_is_an_error() {
    let workspace = Workspace::new();
    let eval = &["eval", "--model", "teacher", "--data", "train.jsonl", "--device", "cpu", "--json"][..];
    let adaptor = plugin("sequence-classification");
    let inspect = &["plugin", "inspect", adaptor.to_str().unwrap()][..];
    for arguments in [eval, inspect, &["schema"], &["check"], &["--help"], &["--version"]] {
        let output = workspace.command(arguments).stdout(closed()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(141), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("panic"), "{arguments:?}: {stderr}");

        let output = workspace.command(arguments).stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: cannot write to standard output: No space left"), "{arguments:?}: {stderr}");
    }
    // An error that nobody reads is told by the exit code.
    let output = workspace.command(&["run", "--config", "other.json"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Without a terminal a long run prints where it is after ten seconds, in words and without escape sequences.
#[test]
fn a_long_run_without_a_terminal_prints_lines() {
    let workspace = Workspace::new().with("training.num_epochs", json!(1_000_000));
    let workspace = workspace.with("training.ckpt_epoch_frequency", json!(1_000_000));
    let mut child = workspace.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("  step "));
    child.kill().unwrap();
    child.wait().unwrap();
    let line = line.unwrap();
    for shown in ["/6,000,000 (0 %)  epoch ", "/1,000,000  total ", "  kd ", " examples/s  ", " left"] {
        assert!(line.contains(shown), "`{shown}` is not in: {line}");
    }
    assert!(!line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn quiet_leaves_errors_and_the_result() {
    let workspace = Workspace::new();
    for arguments in [["run", "--quiet"], ["--quiet", "run"], ["check", "-q"]] {
        let finished = workspace.start(&arguments);
        assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
        assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
    }
    workspace.start(&["run", "--quiet", "--set", "data.train=none.jsonl"]).check_failure(2, &["none.jsonl"]);
}

/// The one object that a command prints.
#[track_caller]
fn object(finished: &Finished) -> Value {
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn results_are_json_where_asked_for() {
    let workspace = Workspace::new().with("data.dev", json!("train.jsonl"));
    let workspace = workspace.with("teacher.cache", json!({ "path": "cache" }));
    let checked = object(&workspace.start(&["check", "--json"]));
    assert_eq!(checked["command"], "check");
    assert_eq!(checked["metrics"], json!(["dev_loss", "dev_accuracy"]));
    assert_eq!((&checked["optimizer_steps"], &checked["checkpoints"]), (&json!(6), &json!(1)));
    assert_eq!(checked["features"]["teacher"]["logits"], "float32 [4, 3]");
    assert_eq!(checked["models"][1]["name"], "student");
    assert_eq!(checked["data"][1]["split"], "dev");

    let cached = object(&workspace.start(&["cache", "--json"]));
    assert_eq!((&cached["examples"], &cached["outcome"]), (&json!(22), &json!("finished")));
    assert_eq!(cached["caches"][0]["missing"], 0);

    let run = object(&workspace.start(&["run", "--json"]));
    assert_eq!((&run["outcome"], &run["global_step"], &run["examples"]), (&json!("finished"), &json!(6), &json!(22)));
    assert_eq!(run["student"], json!(workspace.path("out/student").canonicalize().unwrap()));
    // Numbers go by their names in metrics.jsonl.
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    for (line, name) in [(&lines[6], "total_loss"), (&lines[6], "unweighted_kd_loss"), (&lines[7], "dev_accuracy")] {
        assert!(run[name].is_f64() && run[name] == line[name], "{name}: {run}");
    }
    let measured = object(&workspace.start(&["eval", "--json"]));
    assert!((measured["loss"].as_f64().unwrap() - run["dev_loss"].as_f64().unwrap()).abs() < 1e-6, "{measured}");

    let adaptor = plugin("sequence-classification");
    let inspected = object(&workspace.start(&["plugin", "inspect", adaptor.to_str().unwrap(), "--json"]));
    assert_eq!(inspected["roles"], json!(["adaptor"]));
    let cases = json!({ "cases": [{
        "name": "logits pass", "role": "adaptor", "outputs": { "logits": { "shape": [2, 3] } },
        "expect": { "logits": "float32 [2, 4]" },
    }] });
    workspace.write("cases.json", cases.to_string());
    let tested = workspace.start(&["plugin", "test", adaptor.to_str().unwrap(), "--cases", "cases.json", "--json"]);
    assert_eq!(tested.code, 1, "{}", tested.stderr);
    let tested: Value = serde_json::from_str(&tested.stdout).unwrap();
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(0), &json!(1)));
    assert!(tested["cases"][0]["differences"][0].as_str().unwrap().contains("float32 [2, 3]"), "{tested}");
}

/// Runs a command in a terminal of so many columns and returns what it draws.
fn in_terminal(workspace: &Workspace, columns: usize, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let command = workspace.command(arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty columns {columns} rows 50; {}", line.join(" ")))
        .arg("/dev/null")
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("TERM", "xterm-256color")
        .envs(environment.iter().copied())
        .current_dir(workspace.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let matches = json!([
        { "layer_T": 4, "layer_S": 2, "feature": "hidden", "loss": "hidden_mse", "weight": 1 },
    ]);
    let workspace = Workspace::new().with("distillation.intermediate_matches", matches);
    let workspace = workspace.with("data.dev", json!("train.jsonl"));
    let commands: [&[&str]; 4] = [&["run"], &["check"], &["eval"], &["run", "--help"]];
    for columns in [60, 80, 140] {
        for arguments in commands {
            let text = in_terminal(&workspace, columns, &[], arguments);
            for line in text.split(['\n', '\r']) {
                let width = console::measure_text_width(line);
                assert!(width <= columns, "{arguments:?}: {width} columns of {columns}: {line:?}");
            }
            assert!(text.len() > 100, "{text}");
        }
    }
    // A log keeps its lines whole, for those that search it.
    let plain = workspace.start(&["check"]).stderr;
    assert!(plain.lines().any(|line| line.chars().count() > 80), "{plain}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let workspace = Workspace::new();
    let is_coloured =
        |text: &str| text.contains("\u{1b}[1m") || text.contains("\u{1b}[2m") || text.contains("\u{1b}[3");
    for arguments in [&["check"][..], &["run", "--help"]] {
        assert!(is_coloured(&in_terminal(&workspace, 80, &[], arguments)), "{arguments:?}");
        let plain = in_terminal(&workspace, 80, &[("NO_COLOR", "1")], arguments);
        assert!(!is_coloured(&plain), "{arguments:?}: {plain:?}");
    }
}

#[test]
fn versions_are_short_and_long() {
    let workspace = Workspace::new();
    let version = format!("brewer-host {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(workspace.start(&["-V"]).stdout, version);
    let long = workspace.start(&["--version"]).stdout;
    assert!(long.starts_with(&version), "{long}");
    let field = |name: &str| long.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
    assert!(field("libtorch").starts_with("2."), "{long}");
    assert!(field("CUDA").starts_with("yes, ") || field("CUDA").starts_with("no ("), "{long}");
    let root = crate::support::repository();
    if root.join(".git").exists() {
        let head = Command::new("git").arg("-C").arg(root).args(["rev-parse", "HEAD"]).output().unwrap();
        let head = String::from_utf8(head.stdout).unwrap();
        assert!(field("commit").len() == 12 && head.starts_with(field("commit")), "{long}\n{head}");
    } else {
        assert!(field("commit").starts_with("unknown"), "{long}");
    }
}

#[test]
fn every_help_ends_with_an_example_and_says_what_overrides_what() {
    let workspace = Workspace::new();
    let commands: [&[&str]; 11] = [
        &["run"],
        &["check"],
        &["cache"],
        &["eval"],
        &["plugin"],
        &["schema"],
        &["plugin", "new"],
        &["plugin", "build"],
        &["plugin", "inspect"],
        &["plugin", "test"],
        &["help", "run"],
    ];
    for command in commands {
        let arguments = if command[0] == "help" { command.to_vec() } else { [command, &["--help"]].concat() };
        let help = workspace.start(&arguments);
        let example = help.stdout.rsplit("\n\n").next().unwrap();
        assert!(example.starts_with("Example:\n  brewer-host "), "{command:?}: {}", help.stdout);
    }
    let help = workspace.start(&["run", "--help"]).stdout;
    for part in ["in place of training.device", "over its file", "in place of training.output_dir", "under `plugins`"] {
        assert!(help.contains(part), "`{part}` is not in: {help}");
    }
    let help = workspace.start(&["--help"]).stdout;
    assert!(help.contains("Exit codes:\n  0 "), "{help}");
}

#[test]
fn the_output_folder_of_the_command_line_comes_first() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("below")).unwrap();
    let arguments =
        ["run", "--config", "../experiment.json", "--set", "training.output_dir=set", "--output-dir", "mine"];
    let mut command = workspace.command(&arguments);
    let finished = Finished::new(command.current_dir(workspace.path("below")).output().unwrap());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(workspace.path("below/mine/student/model.safetensors").is_file());
    assert!(!workspace.path("out").exists() && !workspace.path("set").exists());
}

#[test]
fn check_tries_the_output_folder() {
    let mut workspace = Workspace::new();
    workspace.write("file", "mine");
    let in_the_way = "is a file; expected a folder";
    workspace
        .refuses_to(&["check", "--output-dir", "file"], &["file: it is a file; expected a folder", "--output-dir"]);
    workspace.refuses_to(&["check", "--output-dir", "file/runs/movie"], &["file/runs/movie: ", in_the_way]);
    workspace.refuses_to(&["check", "--output-dir", "/proc/brewer"], &["/proc/brewer: /proc cannot be written"]);
    // No machine has room for as many checkpoints.
    workspace.set("training.num_epochs", json!(1_000_000_000_000_000_u64));
    workspace.refuses_to(&["check"], &["its checkpoints and the student take ", "are free"]);
}

#[test]
fn what_cannot_be_read_is_named_once_and_without_rust() {
    let workspace = Workspace::new();
    workspace.write("bytes.json", b"{ \"teacher\": \"\xff\" }");
    fs::write(workspace.path("out.wasm"), "").unwrap();
    let refusals: [(&[&str], &str); 9] = [
        (&["run", "--config", "student"], "cannot read the experiment student: it is a folder; expected a file;"),
        (&["run", "--config", "none.json"], "cannot read the experiment none.json: it does not exist;"),
        (&["run", "--config", "bytes.json"], "cannot read the experiment bytes.json: it is not text in UTF-8;"),
        (&["run", "--plugin", "student"], "student: cannot be read: it is a folder; expected a file"),
        (&["run", "--set", "data.train=student"], "student: it is a folder; expected a file"),
        (&["run", "--set", "teacher.model=train.jsonl"], "expected a folder"),
        (&["eval", "--model", "train.jsonl", "--data", "train.jsonl"], "expected a folder"),
        (&["plugin", "inspect", "none.wasm"], "none.wasm: cannot be read: it does not exist"),
        (&["plugin", "test", "out.wasm"], "out.test.json: cannot be read: it does not exist;"),
    ];
    for (arguments, expected) in refusals {
        workspace.refuses_to(arguments, &[expected]);
        let stderr = workspace.start(arguments).stderr;
        assert!(!stderr.contains("(os error") && !stderr.contains("usize"), "{stderr}");
    }
}

#[test]
fn a_folder_without_an_experiment_is_told_what_to_do() {
    let workspace = Workspace::new();
    for command in ["run", "check", "cache"] {
        let mut command = workspace.command(&[command]);
        fs::remove_file(workspace.path("experiment.json")).unwrap();
        let expected = ["--config: missing, and there is no experiment.json in ", "`brewer-host schema`"];
        workspace.refuses_command(&mut command, &expected);
    }
}

#[test]
fn a_path_that_is_not_text_is_refused_or_replaced() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let workspace = Workspace::new();
    let name = OsStr::from_bytes(b"m\xffdel");
    let mut command = workspace.command(&["run", "--output-dir"]);
    workspace.refuses_command(command.arg(name), &["is not valid UTF-8", "rename it"]);
    // What no run records may be called anything.
    crate::workspace::copy_folder(&workspace.path("teacher"), &workspace.path("").join(name));
    let mut command = workspace.command(&["eval", "--data", "train.jsonl", "--device", "cpu", "--json", "--model"]);
    let output = command.arg(name).output().unwrap();
    assert_eq!((output.status.code(), output.status.signal()), (Some(0), None));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(line["model"].as_str().unwrap().ends_with("m\u{fffd}del"), "{line}");
}

#[test]
fn one_of_a_thing_is_singular() {
    let workspace = Workspace::new();
    let text = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    workspace.write("train.jsonl", text.lines().next().unwrap());
    let finished = workspace.run();
    for shown in ["cpu, 1 thread\n", "1 example, ", "1 optimizer step over 1 epoch of 1 batch"] {
        assert!(finished.stderr.contains(shown), "`{shown}` is not in: {}", finished.stderr);
    }
    let eval = workspace.start(&["eval", "--model", "teacher", "--data", "train.jsonl", "--device", "cpu"]);
    assert!(eval.stdout.contains("train.jsonl, 1 example\n"), "{}", eval.stdout);
}
