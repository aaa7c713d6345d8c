use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use super::checkpoint_manifest::CheckpointManifest;
use super::role_states::{self, SavedState};
use super::run_folder::write_tensors;
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
    /// The checkpoint's line of `metrics.jsonl`. None where its callbacks have not run: one of them failed, or the
    /// checkpoint was saved at a step that is none of the experiment's.
    pub metrics_line: Option<String>,
    /// Whether a callback ended the run at this checkpoint.
    pub is_stopped: bool,
    /// What the optimizer remembers: a parameter's name, and what it is in torch's words (`classifier.weight.exp_avg`).
    pub(super) optimizer: HashMap<String, Tensor>,
    /// What roles remember.
    pub(super) roles: Vec<SavedState>,
}

/// The optimizer's file in a checkpoint.
const FILE: &str = "optimizer.safetensors";

impl TrainingState {
    /// Writes what the optimizer and the roles remember; the rest stands in the checkpoint's manifest.
    pub(super) fn save(&self, checkpoint: &Path) -> Result<()> {
        let tensors = self.optimizer.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let mut tensors: Vec<(String, Tensor)> = tensors.collect();
        tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
        write_tensors(&tensors, &checkpoint.join(FILE))?;
        role_states::write(checkpoint, &self.roles)
    }

    /// The state in a checkpoint, all of whose files are checked; an error says what is wrong.
    pub(super) fn read(checkpoint: &Path) -> Result<Self, String> {
        let manifest = CheckpointManifest::read(checkpoint)?;
        manifest.check(checkpoint)?;
        let read = Tensor::read_safetensors(checkpoint.join(FILE));
        let optimizer = read.map_err(|error| format!("{FILE}: {}", libtorch::message(&error)))?.into_iter().collect();
        let CheckpointManifest { step, global_step, skipped, metrics_line, is_stopped, roles, .. } = manifest;
        let roles = role_states::read(checkpoint, roles)?;
        Ok(Self { step, global_step, skipped, metrics_line, is_stopped, optimizer, roles })
    }
}
