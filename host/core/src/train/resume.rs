use std::path::{Path, PathBuf};

use serde_json::Value;

use super::checkpoint_manifest::CheckpointManifest;
use super::{RunFolder, RunRecord, TrainError, TrainingState};
use crate::Result;
use crate::experiment::{Experiment, StudentSpec};

/// An interrupted run, and the checkpoint that it is resumed from.
#[derive(Debug)]
pub struct Resume {
    checkpoint: PathBuf,
    /// Where the run was.
    pub state: TrainingState,
    /// The lines of `metrics.jsonl` that belong to the checkpoints up to this one.
    pub(super) lines: Vec<CheckpointLines>,
    /// What differs from the run as it began, in sentences.
    pub notes: Vec<String>,
}

/// The lines of `metrics.jsonl` between the steps before and after a checkpoint.
#[derive(Debug, Clone)]
pub(super) struct CheckpointLines {
    /// Forward steps done before it.
    pub step: u64,
    /// Optimizer steps done before it.
    pub global_step: u64,
    /// Each with its newline.
    pub text: String,
}

impl Resume {
    /// The last whole checkpoint of the run in a folder; `None` where there is no checkpoint at all.
    ///
    /// # Errors
    /// If the run there is of another experiment or was made of other files, or if no checkpoint is whole.
    pub fn find(folder: &RunFolder, experiment: &Experiment) -> Result<Option<Self>> {
        let checkpoints = folder.checkpoints()?;
        let Some((_, last)) = checkpoints.first() else { return Ok(None) };
        let refused = |problem: String| TrainError::Resume { path: folder.path().to_owned(), problem };
        let other = |what: String| {
            refused(format!(
                "{what}. Resume it as it began, or run without --resume, which keeps it in `earlier`; to begin a new \
                 run with what it has learnt, set `student.model` to {}",
                last.display()
            ))
        };
        // Before all else: what an older version wrote may be unreadable in any part.
        let recorded = RunRecord::read(&folder.record()).map_err(refused)?;
        let earlier = Experiment::read(&folder.experiment(), &[])
            .map_err(|error| refused(format!("it is not known of which experiment it is: {error}")))?;
        let mut notes = vec![];
        if let Some(difference) = difference(&earlier, experiment, &mut notes) {
            return Err(other(format!("it is of another experiment: {difference}")).into());
        }
        let present = RunRecord::of(experiment)?;
        let changes = recorded.changes(&present);
        if !changes.is_empty() {
            return Err(other(format!("what it reads has changed: {}", changes.join(", "))).into());
        }
        notes.extend(recorded.warnings(&present));

        let resume = Self::last_whole(&checkpoints, notes).map_err(|damaged| {
            refused(format!(
                "no checkpoint is whole: {damaged}. Put one back as it was saved, or run without --resume, which keeps them in \
                 `earlier`"
            ))
        })?;
        Ok(Some(resume))
    }

    /// The first of `checkpoints`, the latest of which comes first, that is whole; an error says what is wrong with each.
    pub(super) fn last_whole(checkpoints: &[(u64, PathBuf)], mut notes: Vec<String>) -> Result<Self, String> {
        let mut damaged = vec![];
        for (_, checkpoint) in checkpoints {
            match TrainingState::read(checkpoint) {
                Ok(mut state) => {
                    let name = name(checkpoint);
                    notes.extend(
                        damaged.iter().map(|damage| format!("the checkpoint {damage}; {name} is taken instead")),
                    );
                    // A later checkpoint, which is damaged, may have taken the place of one before.
                    state.saved.retain(|saved| {
                        let is_there = checkpoints.iter().any(|(step, _)| *step == saved.global_step);
                        if !is_there {
                            let step = saved.global_step;
                            notes.push(format!("the checkpoint step-{step}, which was there beside {name}, is gone"));
                        }
                        is_there
                    });
                    let lines = checkpoints.iter().filter_map(|(_, checkpoint)| lines_of(checkpoint, &state)).collect();
                    return Ok(Self { checkpoint: checkpoint.clone(), state, lines, notes });
                }
                Err(problem) => damaged.push(format!("{} is damaged ({problem})", name(checkpoint))),
            }
        }
        Err(damaged.join(", "))
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

fn name(checkpoint: &Path) -> String {
    checkpoint.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The lines of a checkpoint up to `state`, as far as its manifest can be read.
fn lines_of(checkpoint: &Path, state: &TrainingState) -> Option<CheckpointLines> {
    let CheckpointManifest { step, global_step, metrics_lines, .. } = CheckpointManifest::read(checkpoint).ok()?;
    let text = metrics_lines.filter(|_| global_step <= state.global_step)?.concat();
    Some(CheckpointLines { step, global_step, text })
}

/// What keeps a run of `earlier` from being resumed as one of `own`. Differences that a run may have on the way are
/// put into `notes`.
///
/// Paths and digests of plugins are not compared, because [`RunRecord`] compares the files; neither are devices, which
/// are compared as what they are.
fn difference(earlier: &Experiment, own: &Experiment, notes: &mut Vec<String>) -> Option<String> {
    let comparable = |experiment: &Experiment| {
        let mut experiment = experiment.clone();
        experiment.paths_mut().into_iter().for_each(|(.., path)| *path = PathBuf::new());
        experiment.plugins_mut().for_each(|spec| spec.sha256 = None);
        experiment.training.device = String::new();
        experiment.teachers_mut().for_each(|teacher| teacher.device = None);
        serde_json::from_str::<Value>(&experiment.to_json()).ok()
    };
    let (earlier, own) = (comparable(earlier), comparable(own));
    compare(&[], earlier.as_ref(), own.as_ref(), notes)
}

/// The first difference at or below a key that a run may not have on the way.
fn compare(key: &[&str], earlier: Option<&Value>, own: Option<&Value>, notes: &mut Vec<String>) -> Option<String> {
    match (earlier, own) {
        (Some(Value::Object(earlier)), Some(Value::Object(own))) => {
            let mut names = earlier.keys().chain(own.keys().filter(|name| !earlier.contains_key(*name)));
            names.find_map(|name| compare(&[key, &[name]].concat(), earlier.get(name), own.get(name), notes))
        }
        (Some(Value::Array(earlier)), Some(Value::Array(own))) if earlier.len() == own.len() => {
            let mut items = earlier.iter().zip(own).enumerate();
            items.find_map(|(index, (earlier, own))| {
                compare(&[key, &[&index.to_string()]].concat(), Some(earlier), Some(own), notes)
            })
        }
        _ if earlier == own => None,
        _ => {
            let key_name = key.join(".");
            let said = match (shown(own), shown(earlier)) {
                (Some(own), Some(earlier)) => format!("`{key_name}` is {own} and was {earlier}"),
                _ => format!("`{key_name}` has changed"),
            };
            match freedom(key) {
                Freedom::Longer if is_longer(earlier, own) => {
                    notes.push(format!("{said}: the run is lengthened, and schedules follow the new length"));
                    None
                }
                Freedom::Longer => Some(format!("{said}, and a run may become longer, not shorter")),
                Freedom::Any => {
                    notes.push(format!("{said} when the run began"));
                    None
                }
                Freedom::None => Some(said),
            }
        }
    }
}

/// A value for people; `None` if it is too long to be read.
fn shown(value: Option<&Value>) -> Option<String> {
    const LONGEST: usize = 60;
    match value {
        None | Some(Value::Null) => Some("not set".to_owned()),
        Some(value) => Some(value.to_string()).filter(|text| text.len() <= LONGEST),
    }
}

/// How a key may differ when a run is resumed.
enum Freedom {
    None,
    Longer,
    /// The key decides whether a run fails, in which batches it evaluates, or what it keeps: not what it learns.
    Any,
}

fn freedom(key: &[&str]) -> Freedom {
    let of_task = match key {
        ["tasks", _, rest @ ..] => rest,
        all => all,
    };
    let of_plugin = match of_task {
        ["plugins", "adaptor" | "batch_postprocessor", rest @ ..] => rest,
        ["plugins", "callbacks" | "losses" | "schedulers", _, rest @ ..] => rest,
        ["teacher" | "student", "adaptor", rest @ ..] | ["teachers", _, "adaptor", rest @ ..] => rest,
        _ => &[],
    };
    match (key, of_task, of_plugin) {
        (["training", "num_epochs" | "num_steps"], ..) => Freedom::Longer,
        (["plugins", "skip_batches"] | ["trust"] | ["training", "save", ..], ..)
        | (_, ["data", "eval_batch_size"], _) => Freedom::Any,
        // Where a plugin comes from is free, as paths are: `sha256` says what it is.
        (.., ["limits" | "permissions" | "path" | "oci", ..]) => Freedom::Any,
        _ => Freedom::None,
    }
}

fn is_longer(earlier: Option<&Value>, own: Option<&Value>) -> bool {
    match (earlier.and_then(Value::as_u64), own.and_then(Value::as_u64)) {
        (Some(earlier), Some(own)) => own > earlier,
        _ => false,
    }
}
