//! The three trainings of the experiment, and what they reach on the held-out sentences.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use brewer_plugin_kit::process;

use crate::workspace::Workspace;

/// What `brewer-host eval --json` says of a model.
#[derive(Debug, Clone, Deserialize)]
pub struct Measured {
    pub parameters: usize,
    pub accuracy: f64,
    pub examples_per_second: f64,
}

/// The three models of one seed.
#[derive(Debug, Clone)]
pub struct Seed {
    pub teacher: Measured,
    pub labels_only: Measured,
    pub distilled: Measured,
}

/// The trainings of one seed.
struct Trainings<'a> {
    workspace: &'a Workspace,
    seed: u32,
    folder: PathBuf,
}

impl<'a> Trainings<'a> {
    fn new(workspace: &'a Workspace, seed: u32) -> Self {
        Self { workspace, seed, folder: workspace.target().join("demo").join(format!("seed-{seed}")) }
    }

    /// Runs the experiment in `file` into the folder `name`, which is returned.
    fn train(&self, file: &str, name: &str, settings: &[(&str, &Path)]) -> Result<PathBuf> {
        println!();
        let output = self.folder.join(name);
        let examples = self.workspace.root().join("examples/movie-reviews");
        let mut command = host(self.workspace);
        command.arg("run").arg("--config").arg(examples.join(file));
        command.arg("--set").arg(format!("training.seed={}", self.seed));
        for (key, path) in settings.iter().chain([&("training.output_dir", output.as_path())]) {
            command.arg("--set").arg(format!("{key}={}", path.display()));
        }
        process::run(&mut command)?;
        Ok(output)
    }

    fn teacher(&self) -> Result<PathBuf> {
        self.train("teacher.json", "teacher", &[])
    }
}

/// Trains the teacher, the same student from labels only and through the teacher, and measures all three.
pub fn run(workspace: &Workspace, seed: u32) -> Result<Seed> {
    let trainings = Trainings::new(workspace, seed);
    let teacher = trainings.teacher()?;
    let trained = teacher.join("student");
    let labels_only = trainings.train("labels-only.json", "labels-only", &[("student.init.from", &trained)])?;
    let distilled = trainings.train("experiment.json", "distilled", &[("teacher.model", &trained)])?;
    let measure = |run: PathBuf| measure(workspace, &run.join("student"));
    Ok(Seed { teacher: measure(teacher)?, labels_only: measure(labels_only)?, distilled: measure(distilled)? })
}

/// The teacher of the first seed; trains it if it is not there.
pub fn teacher(workspace: &Workspace) -> Result<PathBuf> {
    let trainings = Trainings::new(workspace, 1);
    let trained = trainings.folder.join("teacher/student");
    if !trained.is_dir() {
        trainings.teacher()?;
    }
    Ok(trained)
}

fn measure(workspace: &Workspace, model: &Path) -> Result<Measured> {
    let data = workspace.target().join("demo/data/held-out.jsonl");
    let mut command = host(workspace);
    command.args(["eval", "--json", "--model"]).arg(model).arg("--data").arg(data);
    let line = process::capture(&mut command)?;
    serde_json::from_str(&line).with_context(|| format!("`brewer-host eval` printed {line:?}"))
}

fn host(workspace: &Workspace) -> std::process::Command {
    workspace.command(&workspace.built("brewer-host").display().to_string())
}
