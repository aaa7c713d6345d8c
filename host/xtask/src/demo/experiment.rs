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

/// Trains the teacher, the same student from labels only and through the teacher, and measures all three.
pub fn run(workspace: &Workspace, seed: u32) -> Result<Seed> {
    let folder = workspace.target().join("demo").join(format!("seed-{seed}"));
    let examples = workspace.root().join("examples/movie-reviews");
    let teacher = folder.join("teacher");
    let trained = teacher.join("student");
    let train = |file: &str, output: &Path, settings: &[(&str, &Path)]| {
        println!();
        let mut command = host(workspace);
        command.arg("run").arg("--config").arg(examples.join(file)).arg("--set").arg(format!("training.seed={seed}"));
        for (key, path) in settings.iter().chain([&("training.output_dir", output)]) {
            command.arg("--set").arg(format!("{key}={}", path.display()));
        }
        process::run(&mut command)
    };
    train("teacher.json", &teacher, &[])?;
    let labels_only = folder.join("labels-only");
    train("labels-only.json", &labels_only, &[("student.init.from", &trained)])?;
    let distilled = folder.join("distilled");
    train("experiment.json", &distilled, &[("teacher.model", &trained)])?;
    let measure = |run: PathBuf| measure(workspace, &run.join("student"));
    Ok(Seed { teacher: measure(teacher)?, labels_only: measure(labels_only)?, distilled: measure(distilled)? })
}

fn measure(workspace: &Workspace, model: &Path) -> Result<Measured> {
    let data = workspace.target().join("demo/data/held-out.jsonl");
    let mut command = host(workspace);
    command.args(["eval", "--json", "--model"]).arg(model).arg("--data").arg(data);
    let line = process::capture(&mut command)?;
    serde_json::from_str(&line).with_context(|| format!("`brewer-host eval` printed {line:?}"))
}

fn host(workspace: &Workspace) -> std::process::Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.target(), PathBuf::from);
    workspace.command(&target.join("debug").join("brewer-host").display().to_string())
}
