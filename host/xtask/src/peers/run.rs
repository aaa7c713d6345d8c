//! One run of each side.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use brewer_plugin_kit::process;
use serde::Deserialize;

use super::{cases::Case, environment::Python};
use crate::workspace::Workspace;

/// What a run took and what came out of it.
#[derive(Deserialize)]
pub struct Run {
    pub steps: Vec<Step>,
    pub peak_kib: f64,
}

/// A forward step.
#[derive(Deserialize)]
pub struct Step {
    /// Since the training began.
    pub seconds: f64,
    pub total_loss: f64,
}

pub fn textbrewer(python: &Python, folder: &Path, case: &Case) -> Result<Run> {
    let result = folder.join("textbrewer.json");
    process::capture(python.side().arg("train").arg(write_experiment(folder, case)?).arg(&result))
        .context("TextBrewer's run failed")?;
    read(&result)
}

pub fn brewer(workspace: &Workspace, python: &Python, folder: &Path, case: &Case) -> Result<Run> {
    let result = folder.join("brewer.json");
    let mut command = python.side();
    let metrics = folder.join("brewer/metrics.jsonl");
    command.arg("measure").args([&result, &metrics, &workspace.built("brewer-host")]);
    process::capture(command.arg("run").arg("--config").arg(write_experiment(folder, case)?))
        .context("Brewer's run failed")?;
    read(&result)
}

fn write_experiment(folder: &Path, case: &Case) -> Result<PathBuf> {
    let path = folder.join("experiment.json");
    fs::write(&path, case.experiment().to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn read(path: &Path) -> Result<Run> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not what was expected", path.display()))
}
