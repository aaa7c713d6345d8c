use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::resume::CheckpointLines;
use super::{
    CheckpointEvent, EVENTS_VERSION, EndEvent, EvaluationEvent, Event, Observer, Resume, StartEvent, StepEvent,
    TrainError, TrainingState,
};
use crate::data::DataError;
use crate::{Result, files};

/// The file beside `metrics.jsonl` of its lines that could not be read.
const DAMAGED: &str = "metrics.damaged.jsonl";

/// `metrics.jsonl`: a line for each event of a run. A run that is resumed has one start, as if it had never been broken off.
pub struct MetricsLog {
    path: PathBuf,
    writer: BufWriter<File>,
    /// What the file has when the run starts, but for the start itself.
    kept: String,
    /// Lines of the file that cannot be read, until the run starts.
    damaged: Vec<Vec<u8>>,
}

impl MetricsLog {
    /// Creates the file, in place of one that was there.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|source| write_error(path, source))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file), kept: String::new(), damaged: vec![] })
    }

    /// Resumes the file of an interrupted run: what that run wrote after its checkpoint is taken off, and lines of
    /// checkpoints that are missing come back. Lines that cannot be read are moved to `metrics.damaged.jsonl`. The file itself
    /// stays as it is until the run starts.
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
        let Kept { version, lines, damaged, missing } = keep(&text, &resume.state, &resume.lines);
        if let Some(version) = version.filter(|version| *version != EVENTS_VERSION) {
            let problem = format!(
                "metrics.jsonl has events of version {version}, and this program has those of version {EVENTS_VERSION}. Resume \
                 it with the program that began it, or run without --resume, which keeps it in `earlier`"
            );
            let path = path.parent().unwrap_or(path).to_owned();
            return Err(TrainError::Resume { path, problem }.into());
        }
        if !damaged.is_empty() {
            let count = damaged.len();
            let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
            notes.push(format!("{lines} of metrics.jsonl could not be read, kept in {DAMAGED}"));
        }
        if !missing.is_empty() {
            notes.push(format!("metrics.jsonl has no lines of the forward steps {}", ranges(&missing)));
        }
        let writer = append_to(path).map_err(|source| write_error(path, source))?;
        Ok((Self { path: path.to_owned(), writer, kept: lines.concat(), damaged }, notes))
    }

    fn write(&mut self, event: Event) -> Result<()> {
        let written = self.writer.write_all(event.line().as_bytes()).and_then(|()| self.writer.flush());
        Ok(written.map_err(|source| write_error(&self.path, source))?)
    }
}

impl Observer for MetricsLog {
    fn on_start(&mut self, start: &StartEvent) -> Result<()> {
        // The run may have become longer.
        let start = Event::Start(StartEvent { first_step: 0, ..start.clone() }).line();
        let whole = start + &std::mem::take(&mut self.kept);
        let failed = |source| write_error(&self.path, source);
        // Not before they are taken off the file: a resume that fails on the way to the start finds them there again.
        if !self.damaged.is_empty() {
            let path = self.path.with_file_name(DAMAGED);
            append(&path, &std::mem::take(&mut self.damaged)).map_err(|source| write_error(&path, source))?;
        }
        if fs::read(&self.path).map_err(failed)? != whole.as_bytes() {
            files::write(&self.path, whole.as_bytes()).map_err(failed)?;
            self.writer = append_to(&self.path).map_err(failed)?;
        }
        Ok(())
    }

    fn on_step(&mut self, step: &StepEvent) -> Result<()> {
        self.write(Event::Step(step.clone()))
    }

    fn on_evaluation(&mut self, evaluation: &EvaluationEvent) -> Result<()> {
        self.write(Event::Evaluation(evaluation.clone()))
    }

    fn on_checkpoint(&mut self, checkpoint: &CheckpointEvent) -> Result<()> {
        self.write(Event::Checkpoint(checkpoint.clone()))
    }

    fn on_end(&mut self, end: &EndEvent) -> Result<()> {
        self.write(Event::End(end.clone()))
    }
}

/// What a file of metrics has of the events before a checkpoint.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// That of the start.
    version: Option<u32>,
    /// The others in order, each with its newline.
    lines: Vec<String>,
    /// What is not a line of metrics, without newlines.
    damaged: Vec<Vec<u8>>,
    /// The forward steps without a line.
    missing: Vec<u64>,
}

/// Sorts the lines of a file: those of steps before `state` are kept, and those of `checkpoints` stand where they belong.
fn keep(text: &[u8], state: &TrainingState, checkpoints: &[CheckpointLines]) -> Kept {
    let mut found_version = None;
    let mut steps: Vec<Option<String>> = (0..state.step).map(|_| None).collect();
    // The lines between steps by the number of forward steps before them.
    let mut between: BTreeMap<u64, String> = checkpoints.iter().map(|lines| (lines.step, lines.text.clone())).collect();
    let mut damaged = vec![];
    let mut next_step = 0;
    for bytes in text.split_inclusive(|byte| *byte == b'\n') {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let read = std::str::from_utf8(bytes).ok().and_then(|line| Some((line, serde_json::from_str(line).ok()?)));
        match read {
            // The start is written again.
            Some((_, Event::Start(StartEvent { version, .. }))) => found_version = Some(version),
            Some((line, Event::Step(StepEvent { step, .. }))) => {
                next_step = step.saturating_add(1);
                match steps.get_mut(step as usize) {
                    Some(place) if place.is_none() => *place = Some(format!("{line}\n")),
                    Some(_) => damaged.push(bytes.to_owned()),
                    // The step is made again.
                    None => {}
                }
            }
            Some((
                line,
                Event::Evaluation(EvaluationEvent { global_step, .. })
                | Event::Checkpoint(CheckpointEvent { global_step, .. }),
            )) => {
                // A checkpoint has its lines, unless it was removed.
                let is_held = checkpoints.iter().any(|lines| lines.global_step == global_step);
                if !is_held && global_step < state.global_step {
                    // Where all steps before it are lost, it comes after the first.
                    *between.entry(next_step.max(1)).or_default() += &format!("{line}\n");
                }
            }
            // The run has another end.
            Some((_, Event::End(_))) => {}
            None => damaged.push(bytes.to_owned()),
        }
    }
    let mut lines = vec![];
    let mut missing = vec![];
    for (step, line) in (0..).zip(steps) {
        match line {
            Some(line) => lines.push(line),
            None => missing.push(step),
        }
        lines.extend(between.remove(&(step + 1)));
    }
    Kept { version: found_version, lines, damaged, missing }
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

fn append_to(path: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::options().append(true).create(true).open(path)?))
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

    const START: &str = "{\"start\":0,\"version\":1,\"epochs\":1,\"optimizer_steps\":2,\"forward_steps\":3}\n";
    const STEPS: [&str; 3] = [
        "{\"step\":0,\"global_step\":0,\"epoch\":0,\"lr\":1.0,\"num_examples\":4}\n",
        "{\"step\":1,\"global_step\":1,\"epoch\":0,\"lr\":1.0,\"num_examples\":4}\n",
        "{\"step\":2,\"global_step\":1,\"epoch\":0,\"lr\":1.0,\"num_examples\":4}\n",
    ];
    const EVALUATION: &str = "{\"evaluation\":1,\"epoch\":0,\"dev_loss\":0.5}\n";
    const CHECKPOINT: &str = "{\"checkpoint\":1,\"epoch\":0}\n";
    const END: &str = "{\"end\":\"interrupted\",\"global_step\":1}\n";

    /// What is kept before a checkpoint after two steps, whose lines are `EVALUATION` and `CHECKPOINT`.
    fn kept(text: &str) -> Kept {
        let state = TrainingState { step: 2, global_step: 1, ..TrainingState::default() };
        let text_of_checkpoint = [EVALUATION, CHECKPOINT].concat();
        keep(text.as_bytes(), &state, &[CheckpointLines { step: 2, global_step: 1, text: text_of_checkpoint }])
    }

    #[test]
    fn a_checkpoint_has_its_lines_and_what_follows_is_taken_off() {
        let [first, second, third] = STEPS;
        let own = [EVALUATION, CHECKPOINT].concat();
        let texts = [
            format!("{START}{first}{second}"),
            format!("{START}{first}{second}{EVALUATION}"),
            format!("{START}{first}{second}{EVALUATION}{CHECKPOINT}{END}"),
            format!("{START}{first}{second}{EVALUATION}{CHECKPOINT}{third}{END}"),
            // The last newline was not written.
            format!("{START}{first}{}", second.trim_end()),
        ];
        for text in texts {
            let found = kept(&text);
            assert_eq!(found.version, Some(1), "{text}");
            assert_eq!(found.lines, [first, second, &own], "{text}");
            assert!(found.damaged.is_empty() && found.missing.is_empty(), "{text}");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_put_aside_and_missing_steps_are_counted() {
        let [first, second, _] = STEPS;
        let own = [EVALUATION, CHECKPOINT].concat();
        let found = kept(&format!("{first}{}", &second[..7]));
        assert_eq!(found.lines, [first, &own]);
        assert_eq!((found.damaged, found.missing), (vec![second.as_bytes()[..7].to_vec()], vec![1]));
        let found = kept(&format!("\0\0\n{second}{second}"));
        assert_eq!(found.lines, [second, &own]);
        assert_eq!((found.damaged.len(), found.missing), (2, vec![0]));
        let found = kept("");
        assert_eq!((found.version, found.missing), (None, vec![0, 1]));
    }

    #[test]
    fn lines_between_steps_stay_without_a_checkpoint() {
        let [first, second, third] = STEPS;
        let text = format!("{first}{EVALUATION}{CHECKPOINT}{second}{third}");
        let state = TrainingState { step: 3, global_step: 3, ..TrainingState::default() };
        assert_eq!(keep(text.as_bytes(), &state, &[]).lines.concat(), text);
        let without_steps = keep(CHECKPOINT.repeat(2).as_bytes(), &state, &[]);
        assert_eq!(without_steps.lines.concat(), CHECKPOINT.repeat(2));
        // The line before it cannot be read, and it stands there once.
        let found = kept(&format!("{first}?\n{CHECKPOINT}{third}"));
        assert_eq!(found.lines.concat(), [first, EVALUATION, CHECKPOINT].concat());
    }

    #[test]
    fn an_evaluation_that_is_made_again_is_taken_off() {
        let [first, second, _] = STEPS;
        let state = TrainingState { step: 2, global_step: 1, ..TrainingState::default() };
        let found = keep(format!("{first}{second}{EVALUATION}").as_bytes(), &state, &[]);
        assert_eq!(found.lines, [first, second]);
    }

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8");
    }
}
