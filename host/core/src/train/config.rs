use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TrainError;

/// TextBrewer's `TrainingConfig`, and what its `train()` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Batches whose gradients are averaged into one optimizer step.
    pub gradient_accumulation_steps: usize,
    /// Checkpoints in an epoch; with `num_epochs` alone.
    pub ckpt_frequency: usize,
    /// Checkpoints are saved in every epoch of this number, and in the last.
    pub ckpt_epoch_frequency: usize,
    /// With `num_steps`: optimizer steps between checkpoints, in place of the two above. Without it the only checkpoint
    /// is at the end.
    pub ckpt_steps: Option<usize>,
    /// The folder that the run is written to.
    pub output_dir: PathBuf,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Passes over the training data.
    pub num_epochs: Option<usize>,
    /// Optimizer steps, in place of `num_epochs`; the data is cycled through. Set on the command line, one takes the place
    /// of the other in the file.
    pub num_steps: Option<usize>,
    /// The joint 2-norm that gradients are clipped to, above 0; −1 does not clip.
    pub max_grad_norm: f64,
    /// With `multi_task`: a task is drawn in proportion to its number of batches to this power.
    pub tau: f64,
    /// Seeds the order of the data, dropout, new weights and the plugins' random numbers.
    pub seed: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            gradient_accumulation_steps: 1,
            ckpt_frequency: 1,
            ckpt_epoch_frequency: 1,
            ckpt_steps: None,
            output_dir: "saved_models".into(),
            device: "auto".into(),
            num_epochs: None,
            num_steps: None,
            max_grad_norm: -1.0,
            tau: 1.0,
            seed: 42,
        }
    }
}

/// How long a run lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// Passes over the training data.
    Epochs(usize),
    /// Optimizer steps.
    Steps(usize),
}

impl TrainingConfig {
    /// How long the run lasts: `num_steps`, or else `num_epochs`.
    pub fn duration(&self) -> Result<Duration, TrainError> {
        match (self.num_steps, self.num_epochs) {
            (Some(steps), _) => Ok(Duration::Steps(steps)),
            (None, Some(epochs)) => Ok(Duration::Epochs(epochs)),
            (None, None) => Err(TrainError::Value {
                key: "training".into(),
                found: "without a length".into(),
                expected: "`num_epochs` or `num_steps`".into(),
            }),
        }
    }

    /// Whether every number is one that a run can work with.
    pub fn check(&self) -> Result<(), TrainError> {
        self.duration()?;
        let counts = [
            ("gradient_accumulation_steps", Some(self.gradient_accumulation_steps)),
            ("ckpt_frequency", Some(self.ckpt_frequency)),
            ("ckpt_epoch_frequency", Some(self.ckpt_epoch_frequency)),
            ("ckpt_steps", self.ckpt_steps),
            ("num_epochs", self.num_epochs),
            ("num_steps", self.num_steps),
        ];
        for (key, count) in counts {
            if count == Some(0) {
                return Err(TrainError::Value {
                    key: format!("training.{key}"),
                    found: "0".into(),
                    expected: "at least 1".into(),
                });
            }
        }
        if self.max_grad_norm <= 0.0 && self.max_grad_norm != -1.0 {
            return Err(TrainError::Value {
                key: "training.max_grad_norm".into(),
                found: self.max_grad_norm.to_string(),
                expected: "a number above 0, or -1 for gradients as they are".into(),
            });
        }
        for (key, number) in [("max_grad_norm", self.max_grad_norm), ("tau", self.tau)] {
            if !number.is_finite() {
                return Err(TrainError::Value {
                    key: format!("training.{key}"),
                    found: number.to_string(),
                    expected: "a finite number".into(),
                });
            }
        }
        Ok(())
    }
}
