use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use super::TrainError;
use crate::{Result, libtorch};

/// What a run needs to go on from a checkpoint, beside the student and the projections. All else follows from the
/// experiment and from the step: which examples come next, dropout, weights of the losses.
#[derive(Debug, Default)]
pub struct TrainingState {
    /// Forward steps done.
    pub step: u64,
    /// Optimizer steps done.
    pub global_step: u64,
    /// Batches that were left out so far.
    pub skipped: u64,
    pub(super) kind: CheckpointKind,
    /// What the optimizer remembers: a parameter's name, and what it is in torch's words (`classifier.weight.exp_avg`).
    pub(super) optimizer: HashMap<String, Tensor>,
}

/// Why a checkpoint was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum CheckpointKind {
    /// It was due, and its callbacks have run.
    #[default]
    Regular,
    /// It was due, and its callbacks have not run: an interrupt came first, or one of them failed.
    Unreported,
    /// An interrupt came between two that were due.
    Interrupted,
}

/// Its file in a checkpoint.
const FILE: &str = "training.safetensors";

/// What the names of the optimizer's tensors begin with in the file; counters have no dot.
const OPTIMIZER: &str = "optimizer.";

impl TrainingState {
    /// Whether a checkpoint holds one.
    pub(super) fn is_in(checkpoint: &Path) -> bool {
        checkpoint.join(FILE).is_file()
    }

    pub(super) fn save(&self, checkpoint: &Path) -> Result<()> {
        let kind = self.kind as u64;
        let counters =
            [("step", self.step), ("global_step", self.global_step), ("skipped", self.skipped), ("kind", kind)];
        let counters = counters.map(|(name, count)| (name.to_owned(), Tensor::from(count as i64)));
        let optimizer =
            self.optimizer.iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor.shallow_clone()));
        let mut tensors: Vec<(String, Tensor)> = counters.into_iter().chain(optimizer).collect();
        tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Tensor::write_safetensors(&tensors, checkpoint.join(FILE))?)
    }

    pub(super) fn read(checkpoint: &Path) -> Result<Self> {
        let path = checkpoint.join(FILE);
        let wrong = |problem: String| TrainError::Resume { path: path.clone(), problem };
        let read = Tensor::read_safetensors(&path).map_err(|error| wrong(libtorch::message(&error)))?;
        let mut tensors: HashMap<String, Tensor> = read.into_iter().collect();
        let mut counter = |name: &str| {
            let found = tensors.remove(name).and_then(|count| i64::try_from(count).ok());
            found.and_then(|count| u64::try_from(count).ok()).ok_or_else(|| wrong(format!("it has no `{name}`")))
        };
        let (step, global_step, skipped) = (counter("step")?, counter("global_step")?, counter("skipped")?);
        let kind = match counter("kind")? {
            0 => CheckpointKind::Regular,
            1 => CheckpointKind::Unreported,
            2 => CheckpointKind::Interrupted,
            other => return Err(wrong(format!("its `kind` is {other}; expected 0, 1 or 2")).into()),
        };
        let optimizer = tensors.into_iter();
        let optimizer = optimizer.filter_map(|(name, tensor)| Some((name.strip_prefix(OPTIMIZER)?.to_owned(), tensor)));
        Ok(Self { step, global_step, skipped, kind, optimizer: optimizer.collect() })
    }
}
