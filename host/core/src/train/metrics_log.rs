use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{CheckpointReport, Observer, StepReport, TrainError, TrainingState};
use crate::Result;
use crate::callback::Scalars;

/// The keys of `metrics.jsonl` that say where a line belongs.
const KEYS: [&str; 7] = ["step", "global_step", "epoch", "task", "lr", "skipped", "checkpoint"];

/// Whether a number of that name would be mistaken for one of the engine's: a key of `metrics.jsonl`, or a part of the
/// loss.
pub fn is_reserved(name: &str) -> bool {
    KEYS.contains(&name) || name == "total_loss" || name.starts_with("unweighted_")
}

/// `metrics.jsonl`: a line for each forward step with its losses, and one for each checkpoint with what its callbacks
/// reported.
pub struct MetricsLog {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl MetricsLog {
    /// Creates the file, in place of one that was there.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|source| TrainError::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Goes on with the file of an earlier run: what that run wrote after `state` is taken off.
    pub fn resume(path: &Path, state: &TrainingState) -> Result<Self> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let is_before = |line: &&str| match serde_json::from_str::<Value>(line) {
            Ok(line) => match (line["step"].as_u64(), line["checkpoint"].as_u64()) {
                (Some(step), _) => step < state.step,
                (None, checkpoint) => checkpoint.is_some_and(|global_step| global_step <= state.global_step),
            },
            Err(_) => false,
        };
        let kept: String = text.lines().filter(is_before).map(|line| format!("{line}\n")).collect();
        let mut log = Self::create(path)?;
        let written = log.writer.write_all(kept.as_bytes()).and_then(|()| log.writer.flush());
        written.map_err(|source| TrainError::Write { path: path.to_owned(), source })?;
        Ok(log)
    }

    fn write(&mut self, mut line: Map<String, Value>, scalars: &Scalars) -> Result<()> {
        line.extend(scalars.iter().map(|(name, value)| (name.clone(), json!(value))));
        let text = Value::Object(line).to_string();
        let written = writeln!(self.writer, "{text}").and_then(|()| self.writer.flush());
        Ok(written.map_err(|source| TrainError::Write { path: self.path.clone(), source })?)
    }
}

impl Observer for MetricsLog {
    fn on_step(&mut self, report: &StepReport) -> Result<()> {
        let mut line = Map::new();
        line.insert("step".into(), json!(report.step));
        line.insert("global_step".into(), json!(report.global_step));
        line.insert("epoch".into(), json!(report.epoch));
        if let Some(task) = &report.task {
            line.insert("task".into(), json!(task));
        }
        line.insert("lr".into(), json!(report.lr));
        if let Some(skipped) = &report.skipped {
            line.insert("skipped".into(), json!(skipped));
        }
        self.write(line, &report.losses)
    }

    fn on_checkpoint(&mut self, report: &CheckpointReport) -> Result<()> {
        let mut line = Map::new();
        line.insert("checkpoint".into(), json!(report.global_step));
        line.insert("epoch".into(), json!(report.epoch));
        self.write(line, &report.scalars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_line_is_reserved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::create(&path).unwrap();
        let losses: Scalars =
            [("total_loss", 1.0), ("unweighted_kd_loss", 1.0)].map(|(name, loss)| (name.to_owned(), loss)).into();
        let step = StepReport {
            step: 0,
            global_step: 0,
            epoch: 0,
            task: Some("qa".into()),
            lr: 0.1,
            num_examples: 1,
            losses,
            skipped: Some("why".into()),
        };
        log.on_step(&step).unwrap();
        log.on_checkpoint(&CheckpointReport { global_step: 1, epoch: 0, scalars: Scalars::new() }).unwrap();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let line: Map<String, Value> = serde_json::from_str(line).unwrap();
            for key in line.keys() {
                assert!(is_reserved(key), "{key}");
            }
        }
        assert!(!is_reserved("dev_loss") && !is_reserved("my_step"));
    }
}
