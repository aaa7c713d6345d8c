use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{CheckpointReport, Observer, StepReport, TrainError};
use crate::Result;
use crate::callback::Scalars;

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
