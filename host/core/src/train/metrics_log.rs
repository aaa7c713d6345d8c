use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::resume::CheckpointLine;
use super::{CheckpointReport, Observer, Resume, StepReport, TrainError, TrainingState};
use crate::callback::Scalars;
use crate::data::DataError;
use crate::{Result, files};

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
        let file = File::create(path).map_err(|source| write_error(path, source))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Resumes the file of an interrupted run: what that run wrote after its checkpoint is taken off, and lines of
    /// checkpoints that are missing come back. Lines that cannot be read are moved to `metrics.damaged.jsonl`.
    ///
    /// Returns a sentence for each thing that was wrong with the file.
    pub fn resume(path: &Path, resume: &Resume) -> Result<(Self, Vec<String>)> {
        let mut notes = vec![];
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                notes.push("metrics.jsonl is gone".to_owned());
                vec![]
            }
            Err(source) => return Err(DataError::Read { path: path.to_owned(), source }.into()),
        };
        let Kept { lines, damaged, missing } = keep(&text, &resume.state, &resume.lines);
        let damaged_path = path.with_file_name("metrics.damaged.jsonl");
        if !damaged.is_empty() {
            append(&damaged_path, &damaged).map_err(|source| write_error(&damaged_path, source))?;
            let count = damaged.len();
            let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
            notes.push(format!("{lines} of metrics.jsonl could not be read, kept in metrics.damaged.jsonl"));
        }
        if !missing.is_empty() {
            notes.push(format!("metrics.jsonl has no lines of the forward steps {}", ranges(&missing)));
        }
        let kept = lines.concat();
        if kept.as_bytes() != text {
            files::write(path, kept.as_bytes()).map_err(|source| write_error(path, source))?;
        }
        let file = File::options().append(true).create(true).open(path);
        let file = file.map_err(|source| write_error(path, source))?;
        Ok((Self { path: path.to_owned(), writer: BufWriter::new(file) }, notes))
    }

    fn write(&mut self, line: &str) -> Result<()> {
        let written = self.writer.write_all(line.as_bytes()).and_then(|()| self.writer.flush());
        Ok(written.map_err(|source| write_error(&self.path, source))?)
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
        self.write(&with_scalars(line, &report.losses))
    }

    fn on_checkpoint(&mut self, report: &CheckpointReport) -> Result<()> {
        self.write(&checkpoint_line(report))
    }
}

/// The line of a checkpoint.
pub(super) fn checkpoint_line(report: &CheckpointReport) -> String {
    let mut line = Map::new();
    line.insert("checkpoint".into(), json!(report.global_step));
    line.insert("epoch".into(), json!(report.epoch));
    with_scalars(line, &report.scalars)
}

fn with_scalars(mut line: Map<String, Value>, scalars: &Scalars) -> String {
    line.extend(scalars.iter().map(|(name, value)| (name.clone(), json!(value))));
    format!("{}\n", Value::Object(line))
}

/// What a file of metrics has of the steps before a checkpoint.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// In order, each with its newline.
    lines: Vec<String>,
    /// What is not a line of metrics, without newlines.
    damaged: Vec<Vec<u8>>,
    /// The forward steps without a line.
    missing: Vec<u64>,
}

/// Sorts the lines of a file: those of steps before `state` are kept, and `checkpoints` stand where they belong.
fn keep(text: &[u8], state: &TrainingState, checkpoints: &[CheckpointLine]) -> Kept {
    let mut steps: Vec<Option<String>> = (0..state.step).map(|_| None).collect();
    // Their lines by the number of forward steps before them.
    let mut of_checkpoints: BTreeMap<u64, String> =
        checkpoints.iter().map(|line| (line.step, line.text.clone())).collect();
    let mut damaged = vec![];
    let mut next_step = 0;
    for bytes in text.split_inclusive(|byte| *byte == b'\n') {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = std::str::from_utf8(bytes).ok();
        let value = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
        let number = |name: &str| value.as_ref().and_then(|value| value.get(name)?.as_u64());
        match (line, number("step"), number("checkpoint")) {
            (Some(line), Some(step), _) => {
                next_step = step + 1;
                match steps.get_mut(step as usize) {
                    Some(place) if place.is_none() => *place = Some(format!("{line}\n")),
                    Some(_) => damaged.push(bytes.to_owned()),
                    // The step is made again.
                    None => {}
                }
            }
            (Some(line), None, Some(global_step)) => {
                // A checkpoint has its line, unless it was removed.
                let is_held = checkpoints.iter().any(|line| line.global_step == global_step);
                if !is_held && global_step < state.global_step {
                    // Where all steps before it are lost, it comes after the first.
                    *of_checkpoints.entry(next_step.max(1)).or_default() += &format!("{line}\n");
                }
            }
            _ => damaged.push(bytes.to_owned()),
        }
    }
    let mut lines = vec![];
    let mut missing = vec![];
    for (step, line) in (0..).zip(steps) {
        match line {
            Some(line) => lines.push(line),
            None => missing.push(step),
        }
        lines.extend(of_checkpoints.remove(&(step + 1)));
    }
    Kept { lines, damaged, missing }
}

/// `0–3, 7`, of numbers in order.
fn ranges(numbers: &[u64]) -> String {
    let ranges = numbers.chunk_by(|left, right| left + 1 == *right);
    let shown = ranges.map(|range| match range {
        [first, .., last] => format!("{first}–{last}"),
        single => single.iter().map(u64::to_string).collect(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn append(path: &Path, lines: &[Vec<u8>]) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(&lines.iter().flat_map(|line| [line.as_slice(), b"\n"]).collect::<Vec<_>>().concat())?;
    file.sync_all()
}

fn write_error(path: &Path, source: io::Error) -> TrainError {
    TrainError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [&str; 3] = ["{\"step\":0,\"lr\":1}\n", "{\"step\":1,\"lr\":1}\n", "{\"step\":2,\"lr\":1}\n"];
    const CHECKPOINT: &str = "{\"checkpoint\":1,\"epoch\":0}\n";

    /// What is kept before a checkpoint after two steps, whose line is `CHECKPOINT`.
    fn kept(text: &str) -> Kept {
        let state = TrainingState { step: 2, global_step: 1, ..TrainingState::default() };
        keep(text.as_bytes(), &state, &[CheckpointLine { step: 2, global_step: 1, text: CHECKPOINT.to_owned() }])
    }

    #[test]
    fn a_checkpoint_has_its_line_and_what_follows_is_taken_off() {
        let [first, second, third] = STEPS;
        let expected =
            Kept { lines: [first, second, CHECKPOINT].map(str::to_owned).to_vec(), damaged: vec![], missing: vec![] };
        let texts = [
            format!("{first}{second}"),
            format!("{first}{second}{CHECKPOINT}"),
            format!("{first}{second}{CHECKPOINT}{third}"),
            // The last newline was not written.
            format!("{first}{}", second.trim_end()),
        ];
        for text in texts {
            assert_eq!(kept(&text), expected, "{text}");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_put_aside_and_missing_steps_are_counted() {
        let [first, second, _] = STEPS;
        let found = kept(&format!("{first}{}", &second[..7]));
        assert_eq!(found.lines, [first, CHECKPOINT]);
        assert_eq!((found.damaged, found.missing), (vec![second.as_bytes()[..7].to_vec()], vec![1]));
        let found = kept(&format!("\0\0\n{second}{second}"));
        assert_eq!(found.lines, [second, CHECKPOINT]);
        assert_eq!((found.damaged.len(), found.missing), (2, vec![0]));
        assert_eq!(kept("").missing, [0, 1]);
    }

    #[test]
    fn lines_of_removed_checkpoints_stay() {
        let [first, second, third] = STEPS;
        let text = format!("{first}{CHECKPOINT}{second}{third}");
        let state = TrainingState { step: 3, global_step: 3, ..TrainingState::default() };
        assert_eq!(keep(text.as_bytes(), &state, &[]).lines.concat(), text);
        let without_steps = keep(CHECKPOINT.repeat(2).as_bytes(), &state, &[]);
        assert_eq!(without_steps.lines.concat(), CHECKPOINT.repeat(2));
        // The line before it cannot be read, and it stands there once.
        let found = kept(&format!("{first}?\n{CHECKPOINT}{third}"));
        assert_eq!(found.lines, [first, CHECKPOINT]);
    }

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8");
    }

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
