use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{RunFolder, TrainError, TrainingState};
use crate::Result;
use crate::experiment::{Experiment, StudentSpec};

/// A run that goes on: its last checkpoint.
#[derive(Debug)]
pub struct Resume {
    checkpoint: PathBuf,
    pub state: TrainingState,
}

impl Resume {
    /// The last checkpoint of the run in the experiment's `output_dir`.
    ///
    /// # Errors
    /// If there is none, or if the run there was of another experiment.
    pub fn find(experiment: &Experiment) -> Result<Self> {
        let folder = &experiment.training.output_dir;
        let wrong = |problem: String| TrainError::Resume { path: folder.clone(), problem };
        let Some(checkpoint) = last_checkpoint(folder) else {
            return Err(wrong("there is no checkpoint to go on from; start the run without --resume".into()).into());
        };
        let earlier = fs::read(RunFolder::experiment_in(folder)).ok();
        let earlier = earlier.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let own: Option<Value> = serde_json::from_str(&experiment.to_json()).ok();
        if let Some(key) = first_difference("", earlier.as_ref(), own.as_ref()) {
            let problem = format!(
                "it is of another experiment: `{key}` differs; to begin a new run with what that one has learnt, set \
                 `student.model` to {}",
                checkpoint.display()
            );
            return Err(wrong(problem).into());
        }
        let state = TrainingState::read(&checkpoint)?;
        Ok(Self { checkpoint, state })
    }

    /// The experiment, with student and projections as they are in the checkpoint.
    pub fn experiment(&self, experiment: &Experiment) -> Experiment {
        let projections = RunFolder::projections_in(&self.checkpoint);
        let student = StudentSpec {
            model: Some(self.checkpoint.clone()),
            config: None,
            init: None,
            projections: projections.is_file().then_some(projections),
            ..experiment.student.clone()
        };
        Experiment { student, ..experiment.clone() }
    }
}

/// The checkpoint of the largest step.
fn last_checkpoint(folder: &Path) -> Option<PathBuf> {
    let entries = RunFolder::checkpoints_in(folder).read_dir().ok()?;
    let steps = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let step: u64 = path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
        TrainingState::is_in(&path).then_some((step, path))
    });
    steps.max_by_key(|(step, _)| *step).map(|(_, path)| path)
}

/// The first key whose values differ: `training.num_epochs`.
fn first_difference(key: &str, left: Option<&Value>, right: Option<&Value>) -> Option<String> {
    match (left, right) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
            let path = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            names.into_iter().find_map(|name| first_difference(&path(name), left.get(name), right.get(name)))
        }
        _ => (left != right).then(|| key.to_owned()),
    }
}
