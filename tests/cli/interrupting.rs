//! SIGINT, SIGTERM and SIGHUP: what is done is kept, the run is resumed to the byte, and a second signal ends at once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{checkpoint_steps, names_in, plugin, read_json, read_lines};
use crate::workspace::{Finished, Workspace, contents};

/// A command under way.
struct Started<'w> {
    workspace: &'w Workspace,
    child: Child,
}

impl<'w> Started<'w> {
    fn new(workspace: &'w Workspace, mut command: Command) -> Self {
        let file = |name| File::create(workspace.path(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("stdout.txt")).stderr(file("stderr.txt"));
        Self { workspace, child: command.spawn().unwrap() }
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.workspace.path("stderr.txt")).unwrap()
    }

    /// The steps that the run has logged.
    fn steps(&self) -> usize {
        let log = fs::read_to_string(self.workspace.path("out/metrics.jsonl")).unwrap_or_default();
        log.lines().filter(|line| line.contains("total_loss")).count()
    }

    /// Waits until something is so, for as long as the slowest machine may take.
    #[track_caller]
    fn wait_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < Duration::from_secs(120), "it never came: {}", self.stderr());
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended: {}", self.stderr());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn finish(mut self) -> Finished {
        let status = self.child.wait().unwrap();
        let stderr = self.stderr();
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Finished { code, stdout: fs::read_to_string(self.workspace.path("stdout.txt")).unwrap(), stderr }
    }
}

/// The command that the last line of a message gives.
fn given_command(finished: &Finished) -> String {
    let mut lines = finished.stderr.lines().rev();
    let (command, message) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(message.ends_with("To resume:"), "{}", finished.stderr);
    command.trim().to_owned()
}

/// Runs a command line in the workspace, as its user would paste it.
#[track_caller]
fn paste(workspace: &Workspace, line: &str) -> Finished {
    let command = workspace.command(&[]);
    let output = Command::new("sh")
        .args(["-c", line])
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    let finished = Finished::new(output);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    finished
}

#[track_caller]
fn assert_same_run(workspace: &Workspace, whole: &BTreeMap<PathBuf, Vec<u8>>) {
    let found = contents(&workspace.path("out"));
    assert!(found.keys().eq(whole.keys()), "{:?} {:?}", found.keys(), whole.keys());
    for (name, content) in whole {
        assert!(found[name] == *content, "{} differs", name.display());
    }
}

/// A run of steps with dropout, in a random order, whose only checkpoint is the last.
fn long_run(steps: usize) -> Workspace {
    let mut workspace = Workspace::new().with("data.shuffle", json!(true));
    let mut config = read_json(&workspace.path("student/config.json"));
    config["hidden_dropout_prob"] = json!(0.2);
    workspace.write("student/config.json", config.to_string());
    workspace.remove("training");
    let training =
        json!({ "num_steps": steps, "gradient_accumulation_steps": 4, "output_dir": "out", "device": "cpu" });
    workspace.set("training", training);
    workspace
}

#[test]
fn an_interrupted_run_is_resumed_to_the_byte_by_the_command_that_it_gives() {
    let workspace = long_run(150);
    let arguments =
        ["run", "--config", "it's an experiment.json", "--set", "optimizer.lr=2e-3", "--plugin", "my adaptor.wasm"];
    fs::copy(plugin("sequence-classification"), workspace.path("my adaptor.wasm")).unwrap();
    workspace.write("it's an experiment.json", workspace.experiment.to_string());
    let finished = workspace.start(&arguments);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let whole = contents(&workspace.path("out"));
    for (signal, name, code) in [("INT", "SIGINT", 130), ("TERM", "SIGTERM", 143), ("HUP", "SIGHUP", 129)] {
        fs::remove_dir_all(workspace.path("out")).unwrap();
        let mut run = Started::new(&workspace, workspace.command(&arguments));
        run.wait_until(|run| run.steps() > 0);
        run.signal(signal);
        let finished = run.finish();
        assert_eq!(finished.code, code, "{}", finished.stderr);
        let [step] = checkpoint_steps(&workspace.path("out"))[..] else { panic!("{}", finished.stderr) };
        let said = format!("interrupted by {name} after step {step}; out/checkpoints/step-{step} is saved");
        assert!(finished.stderr.contains(&said), "{}", finished.stderr);
        let lines = read_lines(&workspace.path("out/metrics.jsonl"));
        assert!(lines.iter().all(|line| line.get("checkpoint").is_none()));
        // Beside the steps there are the start and the end.
        assert_eq!(lines.len() as u64, 4 * step + 2);
        assert_eq!(lines.last().unwrap()["end"], "interrupted");
        assert!(!workspace.path("out/student").exists());

        let command = given_command(&finished);
        assert!(command.ends_with("--plugin 'my adaptor.wasm' --resume"), "{command}");
        let finished = paste(&workspace, &command);
        assert!(finished.stderr.contains(&format!("after step {step} ")), "{}", finished.stderr);
        assert_same_run(&workspace, &whole);
    }
}

#[test]
fn a_run_that_is_interrupted_again_and_again_is_the_same_run() {
    let workspace = long_run(150).with("training.ckpt_steps", json!(40));
    workspace.run();
    let whole = contents(&workspace.path("out"));
    fs::remove_dir_all(workspace.path("out")).unwrap();
    let mut earlier = 0;
    for _ in 0..3 {
        let mut run =
            Started::new(&workspace, workspace.command(if earlier == 0 { &["run"] } else { &["run", "--resume"] }));
        run.wait_until(|run| run.steps() > 4 * earlier);
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, 143, "{}", finished.stderr);
        // Of the interrupts only the last has its checkpoint.
        let steps = checkpoint_steps(&workspace.path("out"));
        assert!(steps.iter().filter(|step| *step % 40 != 0).count() <= 1, "{steps:?}");
        earlier = *steps.last().unwrap() as usize;
    }
    paste(&workspace, &format!("{} run --resume", env!("CARGO_BIN_EXE_brewer-host")));
    assert_same_run(&workspace, &whole);
}

#[test]
fn an_evaluation_is_left_and_made_again() {
    let mut workspace = Workspace::new().with("data.dev", json!("dev.jsonl"));
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    workspace.write("dev.jsonl", rows.repeat(300));
    let callback = json!({ "path": plugin("guest-roles"), "config": {} });
    workspace.set("plugins", json!({ "callbacks": [callback] }));
    workspace.run();
    let whole = contents(&workspace.path("out"));
    fs::remove_dir_all(workspace.path("out")).unwrap();
    let mut run = Started::new(&workspace, workspace.command(&["run"]));
    run.wait_until(|run| run.steps() == 6);
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!(finished.code, 143, "{}", finished.stderr);
    assert_eq!(names_in(&workspace.path("out/checkpoints")), ["step-6"]);
    let lines = read_lines(&workspace.path("out/metrics.jsonl"));
    assert!(lines.iter().all(|line| line.get("checkpoint").is_none()), "{lines:?}");
    paste(&workspace, &given_command(&finished));
    assert_same_run(&workspace, &whole);
}

#[test]
fn a_second_signal_ends_at_once() {
    // An optimizer step that never comes.
    let workspace = long_run(1).with("training.gradient_accumulation_steps", json!(1_000_000));
    for signals in [["INT", "INT"], ["INT", "TERM"], ["TERM", "INT"], ["INT", "INT"], ["TERM", "TERM"]] {
        let mut command = workspace.command(&["run"]);
        // Threads of libtorch that are at work when the process ends.
        command.env("OMP_NUM_THREADS", "2");
        let mut run = Started::new(&workspace, command);
        run.wait_until(|run| run.steps() > 0);
        run.signal(signals[0]);
        run.wait_until(|run| run.stderr().contains("interrupt again to end at once"));
        // Another signal within a moment is the same request.
        thread::sleep(Duration::from_millis(250));
        run.signal(signals[1]);
        let finished = run.finish();
        assert_eq!(finished.code, if signals[1] == "INT" { 130 } else { 143 }, "{}", finished.stderr);
        assert!(finished.stderr.ends_with("interrupted again: ended at once\n"), "{}", finished.stderr);
        assert!(!workspace.path("out/checkpoints").exists());
        fs::remove_dir_all(workspace.path("out")).unwrap();
    }
}

#[test]
fn signals_that_come_together_are_one_request() {
    let workspace = long_run(10_000);
    let mut run = Started::new(&workspace, workspace.command(&["run"]));
    run.wait_until(|run| run.steps() > 0);
    ["STOP", "INT", "TERM", "CONT"].into_iter().for_each(|signal| run.signal(signal));
    let finished = run.finish();
    assert!(matches!(finished.code, 130 | 143), "{}", finished.stderr);
    assert!(finished.stderr.contains("is saved. To resume:"), "{}", finished.stderr);
}

#[test]
fn nohup_is_respected() {
    let workspace = long_run(60);
    let command = workspace.command(&["run"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" HUP; exec "$0" run"#]).arg(command.get_program());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(workspace.path(""));
    let mut run = Started::new(&workspace, shell);
    run.wait_until(|run| run.steps() > 0);
    run.signal("HUP");
    let finished = run.finish();
    assert_eq!(finished.code, 0, "{}", finished.stderr);
}

#[test]
fn reading_data_ends_promptly() {
    for arguments in [&["run"][..], &["check"], &["cache"], &["eval", "--model", "student", "--data", "train.jsonl"]] {
        let mut workspace = Workspace::new();
        workspace.set("teacher.cache", json!({ "path": "cache" }));
        fs::remove_file(workspace.path("train.jsonl")).unwrap();
        // A file that is never there to be read.
        assert!(Command::new("mkfifo").arg(workspace.path("train.jsonl")).status().unwrap().success());
        let mut run = Started::new(&workspace, workspace.command(arguments));
        run.wait_until(|run| catches_sigterm(run.child.id()));
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!((finished.code, finished.stderr.as_str()), (143, "interrupted\n"));
        assert!(!workspace.path("cache").exists());
        // A run has its folder by then, perhaps, and nothing in it but the lock.
        let out = workspace.path("out");
        assert!(!out.exists() || names_in(&out).iter().all(|name| name == "run.lock"));
    }
}

/// Whether a process has a handler for SIGTERM by now.
fn catches_sigterm(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() & (1 << (15 - 1)) != 0
}

#[test]
fn an_interrupted_cache_keeps_what_it_has() {
    let mut workspace = Workspace::new();
    workspace.set("teacher.cache", json!({ "path": "cache" }));
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    workspace.write("train.jsonl", rows.repeat(1000));
    let mut run = Started::new(&workspace, workspace.command(&["cache"]));
    // Some batches are in it: bytes that are not zeros.
    let values = workspace.path("cache/values.bin");
    run.wait_until(|_| fs::read(&values).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0)));
    run.signal("INT");
    let finished = run.finish();
    assert_eq!(finished.code, 130, "{}", finished.stderr);
    assert!(finished.stderr.contains("interrupted by SIGINT; what is computed is kept"), "{}", finished.stderr);
    let finished = paste(&workspace, &given_command(&finished));
    let (computed, _) = finished.stdout.split_once(" examples computed now").unwrap();
    let computed = computed.rsplit([' ', '\n']).next().unwrap().replace(',', "");
    assert!(computed.parse::<usize>().unwrap() < 1000 * rows.lines().count(), "{}", finished.stdout);
    assert!(workspace.start(&["cache"]).stdout.contains("nothing was missing"));
}
