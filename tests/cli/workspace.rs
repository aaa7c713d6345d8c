//! A folder with all that a run needs, in which a test breaks one thing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{brewer_host, read_json, recorded_run};

/// `teacher/` of four layers, `student/` of two, `train.jsonl` of six batches, and an experiment that distils the one
/// into the other into `out/`, a checkpoint an epoch.
pub struct Workspace {
    folder: TempDir,
    /// What `experiment.json` will hold when the binary is started.
    pub experiment: Value,
}

impl Workspace {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let recorded = recorded_run("basic_ce_t8");
        copy_folder(&recorded.join("teacher_0"), &folder.path().join("teacher"));
        copy_folder(&recorded.join("student_init"), &folder.path().join("student"));
        fs::copy(recorded.join("train.jsonl"), folder.path().join("train.jsonl")).unwrap();
        let experiment = json!({
            "distiller": "general",
            "teacher": { "model": "teacher" },
            "student": { "model": "student" },
            "data": { "train": "train.jsonl", "batch_size": 4 },
            "optimizer": { "name": "adamw", "lr": 1e-3 },
            "training": { "num_epochs": 1, "output_dir": "out", "device": "cpu" },
            "distillation": { "temperature": 4 },
        });
        Self { folder, experiment }
    }

    /// The same with one key set: `training.num_epochs`.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.set(key, value);
        self
    }

    /// Sets a key of the experiment: `training.num_epochs`, `distillation.intermediate_matches.0.weight`.
    pub fn set(&mut self, key: &str, value: Value) {
        let place = key.split('.').fold(&mut self.experiment, |place, part| match part.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[part],
        });
        *place = value;
    }

    /// The hidden sizes of student and teacher.
    pub fn hidden_sizes(&self) -> (u64, u64) {
        let size = |model: &str| read_json(&self.path(model).join("config.json"))["hidden_size"].as_u64().unwrap();
        (size("student"), size("teacher"))
    }

    /// Matches a layer of both through a projection from the student's width to the teacher's.
    pub fn match_through_projection(&mut self) {
        let (student, teacher) = self.hidden_sizes();
        let projection = json!(["linear", student, teacher]);
        let layers = json!({ "layer_T": 3, "layer_S": 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1, "proj": projection });
        self.set("distillation.intermediate_matches", json!([layers]));
    }

    /// Takes a key at the top of the experiment away.
    pub fn remove(&mut self, key: &str) {
        self.experiment.as_object_mut().unwrap().remove(key);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Replaces line `number`, counted from 1, of `train.jsonl`.
    pub fn replace_row(&self, number: usize, row: &str) {
        let text = fs::read_to_string(self.path("train.jsonl")).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[number - 1] = row;
        self.write("train.jsonl", lines.join("\n"));
    }

    /// The binary with the experiment as it is now.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.write("experiment.json", self.experiment.to_string());
        let mut command = brewer_host(self.folder.path());
        command.args(arguments);
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Finished {
        Finished::new(self.command(arguments).output().unwrap())
    }

    /// A run that succeeds.
    #[track_caller]
    pub fn run(&self) -> Finished {
        let finished = self.start(&["run"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        finished
    }

    /// A run that is refused before it begins, because of something that the user gave.
    #[track_caller]
    pub fn refuses(&self, expected: &[&str]) {
        self.refuses_to(&["run"], expected);
    }

    /// The binary says in one line what is wrong with what the user gave, and changes nothing: not the results of an
    /// earlier run either.
    #[track_caller]
    pub fn refuses_to(&self, arguments: &[&str], expected: &[&str]) {
        fs::create_dir_all(self.path("out/student")).unwrap();
        self.write("out/student/model.safetensors", "an earlier student");
        self.write("out/metrics.jsonl", "{}\n");
        let mut command = self.command(arguments);
        self.refuses_command(&mut command, expected);
    }

    /// The same of a command of your own.
    #[track_caller]
    pub fn refuses_command(&self, command: &mut Command, expected: &[&str]) {
        let before = self.contents();
        let finished = Finished::new(command.output().unwrap());
        finished.check_failure(2, expected);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
        assert!(self.contents() == before, "files changed: {:?}", self.contents().keys());
    }

    /// What the first run into `out` wrote, whose student stays in its place as long as the second has none.
    pub fn earlier_results(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = contents(&self.path("out/earlier/1"));
        files.remove(Path::new("student.pending")).unwrap();
        let student = contents(&self.path("out/student"));
        files.extend(student.into_iter().map(|(name, content)| (Path::new("student").join(name), content)));
        files
    }

    /// Every file of the folder.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        contents(self.folder.path())
    }
}

/// How the binary ended and what it printed.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Whatever happened: what is not a terminal gets no escape sequences.
    #[track_caller]
    pub fn new(output: Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{stdout:?}\n{stderr:?}");
        let code = output.status.code().unwrap_or_else(|| panic!("{}: {stderr}", output.status));
        Self { code, stdout, stderr }
    }

    /// It ended with this code and said why on one line that holds all of `expected`; the frames of a plugin may
    /// follow.
    #[track_caller]
    pub fn check_failure(&self, code: i32, expected: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        let errors: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        for part in expected {
            assert!(errors[0].contains(part), "`{part}` is not in: {}", errors[0]);
        }
    }
}

/// The command, started by a shell that runs `script` first, which ends with `exec "$@"`.
pub fn under(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Waits until a file is there, for as long as the slowest machine may take.
pub fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Every file below a folder, by its path within it, but the provenance of runs, which says when they were made.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "provenance.json") {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for (name, content) in contents(from) {
        let copy = to.join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(copy, content).unwrap();
    }
}
