use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use super::checkpoint_manifest::CheckpointManifest;
use super::checkpoints::{OPTIMIZER, write_tensors};
use super::role_states::{self, SavedState};
use super::saving::Saved;
use crate::{Result, libtorch};

/// What a run needs to resume from a checkpoint, beside the student and the projections. All else follows from the
/// experiment and from the step: which examples come next, dropout, weights of the losses.
#[derive(Debug, Default)]
pub struct TrainingState {
    /// Forward steps done.
    pub step: u64,
    /// Optimizer steps done.
    pub global_step: u64,
    /// Batches that were left out so far.
    pub skipped: u64,
    /// The lines of `metrics.jsonl` that came after the last step: those of an evaluation and of a checkpoint that were due. None
    /// where not all was done that was due: something failed, or an interrupt came first.
    pub metrics_lines: Option<Vec<String>>,
    /// The checkpoints that stay, with this one if it does.
    pub(super) saved: Vec<Saved>,
    /// Whether a callback ended the run at this checkpoint.
    pub is_stopped: bool,
    /// What the optimizer remembers: a parameter's name, and what it is in torch's words (`classifier.weight.exp_avg`).
    pub(super) optimizer: HashMap<String, Tensor>,
    /// What roles remember.
    pub(super) roles: Vec<SavedState>,
}

impl TrainingState {
    /// Writes what the optimizer and the roles remember; the rest stands in the checkpoint's manifest.
    pub(super) fn save(&self, checkpoint: &Path) -> Result<()> {
        let tensors = self.optimizer.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let mut tensors: Vec<(String, Tensor)> = tensors.collect();
        tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
        write_tensors(&tensors, &checkpoint.join(OPTIMIZER))?;
        role_states::write(checkpoint, &self.roles)
    }

    /// The state in a checkpoint, all of whose files are checked; an error says what is wrong.
    pub(super) fn read(checkpoint: &Path) -> Result<Self, String> {
        let manifest = CheckpointManifest::read(checkpoint)?;
        manifest.check(checkpoint)?;
        let read = Tensor::read_safetensors(checkpoint.join(OPTIMIZER));
        let optimizer =
            read.map_err(|error| format!("{OPTIMIZER}: {}", libtorch::message(&error)))?.into_iter().collect();
        let CheckpointManifest { step, global_step, skipped, metrics_lines, saved, is_stopped, roles, .. } = manifest;
        let roles = role_states::read(checkpoint, roles)?;
        Ok(Self { step, global_step, skipped, metrics_lines, saved, is_stopped, optimizer, roles })
    }
}
