//! What happens in a run, told to its observers and written as the lines of `metrics.jsonl`.
//!
//! The first key of a line says which event it is: `start`, `step`, `evaluation`, `checkpoint` or `end`. Steps of the optimizer
//! are counted from 1 (`global_step`), forward steps and epochs from 0. Losses, metrics and the numbers of callbacks stand
//! beside the keys of the event, under their own names.

use serde::{Deserialize, Deserializer, Serialize};

use super::Timetable;
use crate::callback::Scalars;

/// The version of the events, which a file's first line has. It changes when a key does.
pub const EVENTS_VERSION: u32 = 1;

/// The keys of all events.
const KEYS: [&str; 16] = [
    "start",
    "version",
    "epochs",
    "optimizer_steps",
    "forward_steps",
    "step",
    "global_step",
    "epoch",
    "task",
    "lr",
    "num_examples",
    "skipped",
    "evaluation",
    "checkpoint",
    "end",
    "best",
];

/// Whether a number of that name would be mistaken for one of the engine's: a key of `metrics.jsonl`, or a part of the
/// loss.
pub fn is_reserved(name: &str) -> bool {
    KEYS.contains(&name) || name == "total_loss" || name.starts_with("unweighted_")
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// The run starts, or is resumed.
    Start(StartEvent),
    /// A forward step is done.
    Step(StepEvent),
    /// The student was evaluated.
    Evaluation(EvaluationEvent),
    /// A checkpoint is saved.
    Checkpoint(CheckpointEvent),
    /// The run ends.
    End(EndEvent),
}

/// A run begins, or is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartEvent {
    /// The forward step that comes first: 0 but in a resumed run. In `metrics.jsonl` it is 0 then, too.
    #[serde(rename = "start")]
    pub first_step: u64,
    /// [`EVENTS_VERSION`] of the program that wrote it.
    pub version: u32,
    /// Of the whole run, the last one perhaps cut short.
    pub epochs: usize,
    /// Of the whole run.
    pub optimizer_steps: usize,
    /// Of the whole run.
    pub forward_steps: usize,
}

/// A forward step is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEvent {
    /// The forward step.
    pub step: u64,
    /// Optimizer steps done.
    pub global_step: u64,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The task's name where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The learning rate of the optimizer step that the batch is part of.
    pub lr: f64,
    /// Examples of the batch; 0 of one that was left out.
    pub num_examples: usize,
    /// Why the batch was left out, if it was: what went wrong in a plugin. Then there are no losses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// `total_loss`, and the unweighted parts by TextBrewer's names.
    #[serde(flatten, deserialize_with = "scalars")]
    pub losses: Scalars,
}

/// The student was evaluated on all splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationEvent {
    /// Optimizer steps done.
    #[serde(rename = "evaluation")]
    pub global_step: u64,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// `dev_loss`, `dev_accuracy`, …
    #[serde(flatten, deserialize_with = "scalars")]
    pub metrics: Scalars,
}

/// A checkpoint is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointEvent {
    /// Optimizer steps done.
    #[serde(rename = "checkpoint")]
    pub global_step: u64,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// What the callbacks reported.
    #[serde(flatten, deserialize_with = "scalars")]
    pub scalars: Scalars,
}

/// A run ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndEvent {
    /// How it ended.
    #[serde(rename = "end")]
    pub outcome: Outcome,
    /// Optimizer steps done.
    pub global_step: u64,
    /// The best checkpoint, where the experiment names a metric that says which it is and one had a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
}

/// How a run ends that does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// A callback stopped it.
    Stopped,
    /// The interrupt flag was raised; a checkpoint to resume from is saved.
    Interrupted,
}

/// The best checkpoint of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// `dev_accuracy`.
    pub metric: String,
    /// The value of the metric.
    pub value: f64,
    /// The optimizer steps after which it was saved.
    pub global_step: u64,
}

impl StartEvent {
    pub(super) fn new(timetable: &Timetable, first_step: u64) -> Self {
        Self {
            first_step,
            version: EVENTS_VERSION,
            epochs: timetable.epochs(),
            optimizer_steps: timetable.optimizer_steps(),
            forward_steps: timetable.forward_steps(),
        }
    }
}

impl Event {
    /// The line of the event, with its newline.
    pub fn line(&self) -> String {
        // All of its keys are strings, and numbers that are not finite become null.
        let json = serde_json::to_string(self).expect("an event has a form in JSON");
        format!("{json}\n")
    }
}

/// JSON has no numbers that are not finite: they are written as null.
fn scalars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scalars, D::Error> {
    let read = indexmap::IndexMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(read.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn numbers(names: &[&str]) -> Scalars {
        names.iter().map(|name| ((*name).to_owned(), 0.5)).collect()
    }

    fn events() -> [Event; 5] {
        let losses = numbers(&["total_loss", "unweighted_kd_loss"]);
        let (task, skipped) = (Some("qa".to_owned()), Some("why".to_owned()));
        let best = Best { metric: "dev_loss".to_owned(), value: 0.25, global_step: 3 };
        [
            Event::Start(StartEvent {
                first_step: 0,
                version: EVENTS_VERSION,
                epochs: 1,
                optimizer_steps: 3,
                forward_steps: 6,
            }),
            Event::Step(StepEvent {
                step: 5,
                global_step: 3,
                epoch: 0,
                task,
                lr: 0.1,
                num_examples: 4,
                skipped,
                losses,
            }),
            Event::Evaluation(EvaluationEvent { global_step: 3, epoch: 0, metrics: numbers(&["dev_loss"]) }),
            Event::Checkpoint(CheckpointEvent { global_step: 3, epoch: 0, scalars: numbers(&["my_number"]) }),
            Event::End(EndEvent { outcome: Outcome::Finished, global_step: 3, best: Some(best) }),
        ]
    }

    #[test]
    fn a_line_reads_as_the_event_that_it_is_of() {
        let lines = events().map(|event| event.line());
        for (event, line) in events().iter().zip(&lines) {
            assert_eq!(&serde_json::from_str::<Event>(line).unwrap(), event, "{line}");
        }
        assert_eq!(lines[2], "{\"evaluation\":3,\"epoch\":0,\"dev_loss\":0.5}\n");
        assert_eq!(
            lines[4],
            "{\"end\":\"finished\",\"global_step\":3,\"best\":{\"metric\":\"dev_loss\",\"value\":0.25,\"global_step\":3}}\n"
        );
        assert!(serde_json::from_str::<Event>("{}").is_err());
    }

    #[test]
    fn every_key_of_a_line_is_reserved() {
        for line in events().map(|event| event.line()) {
            let line: Map<String, Value> = serde_json::from_str(&line).unwrap();
            for key in line.keys().filter(|key| !["dev_loss", "my_number"].contains(&key.as_str())) {
                assert!(is_reserved(key), "{key}");
            }
        }
        assert!(!is_reserved("dev_loss") && !is_reserved("my_step"));
    }

    #[test]
    fn a_number_that_is_not_finite_is_read() {
        let event = Event::Evaluation(EvaluationEvent {
            global_step: 1,
            epoch: 0,
            metrics: [("dev_loss".to_owned(), f64::NAN)].into(),
        });
        let Ok(Event::Evaluation(read)) = serde_json::from_str(&event.line()) else { panic!("{}", event.line()) };
        assert!(read.metrics["dev_loss"].is_nan());
    }
}
