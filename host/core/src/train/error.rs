use std::path::PathBuf;

use crate::Fault;
use crate::error::os_reason;
use crate::json::in_plain_words;

/// What is wrong with a training configuration, or went wrong in a run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum TrainError {
    /// A value that makes no sense.
    #[error("{key} is {found}; expected {expected}")]
    Value { key: String, found: String, expected: String },

    /// A projection's optimizer options.
    #[error("optimizer options {options} of a projection: {}", in_plain_words(&error.to_string()))]
    Options { options: serde_json::Value, error: serde_json::Error },

    #[error(
        "gradient_accumulation_steps is {accumulation}, but an epoch has {batches} batches, so no optimizer step would \
         ever be taken; lower it, or use smaller batches"
    )]
    NoSteps { accumulation: usize, batches: usize },

    /// A loss that is not a finite number.
    #[error(
        "step {step}: {part} is {value}; nothing was changed by this step. A lower learning rate, gradient clipping \
         (max_grad_norm) or a look at the batch may help"
    )]
    NotFinite { step: u64, part: String, value: f64 },

    /// The gradient of a loss that is a finite number.
    #[error(
        "step {step}: the norm of the gradient is {norm}, though the loss is finite; {origin}. Nothing was changed by \
         this step. Not finite is {parameters}. Square roots, logarithms and divisions near 0 have such gradients: keep \
         what they are taken of away from it"
    )]
    GradientNotFinite { step: u64, norm: f64, origin: String, parameters: String },

    /// Weights that no checkpoint is worth.
    #[error(
        "after step {global_step} of the optimizer {parameter} holds a number that is not finite; this student is not saved. \
         Resume from the last checkpoint with a lower learning rate (`optimizer.lr`), or with gradient clipping \
         (`max_grad_norm`)"
    )]
    WeightsNotFinite { global_step: usize, parameter: String },

    #[error("step {step}: the total loss has the shape {shape:?}; expected a single number")]
    NotScalar { step: u64, shape: Vec<i64> },

    #[error(
        "the total loss does not depend on the student's parameters, so there is nothing to train; {adaptor} must \
         return the student's logits, losses or layers without detaching them"
    )]
    NoGradient { adaptor: String },

    /// What a step went wrong in.
    #[error("step {step}: {source}")]
    Step { step: u64, source: Box<crate::Error> },

    /// A run that cannot be resumed.
    #[error("cannot resume the run in {}: {problem}", path.display())]
    Resume { path: PathBuf, problem: String },

    /// What a role remembered at a checkpoint and cannot take up again.
    #[error(
        "cannot resume with the memory of {owner} as `{place}`: {problem}. Resume with the plugin as it was, or run without \
         --resume"
    )]
    RoleState { owner: String, place: String, problem: String },

    /// A folder that another run writes.
    #[error(
        "{} is the folder of a run that is under way ({holder}); wait for its end, or name another folder in \
         `training.output_dir`",
        path.display()
    )]
    Locked { path: PathBuf, holder: String },

    #[error("cannot write {}: {}", path.display(), os_reason(source))]
    Write { path: PathBuf, source: std::io::Error },

    /// What the check found of the folder that a run is to be written to.
    #[error(
        "the run cannot be written to {}: {problem}; name another folder with `training.output_dir` or --output-dir",
        path.display()
    )]
    OutputFolder { path: PathBuf, problem: String },
}

impl TrainError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            TrainError::Value { .. }
            | TrainError::Options { .. }
            | TrainError::NoSteps { .. }
            | TrainError::NoGradient { .. }
            | TrainError::Resume { .. }
            | TrainError::RoleState { .. }
            | TrainError::Locked { .. }
            | TrainError::OutputFolder { .. } => Fault::Input,
            // The check before step 0 has seen what the user gave.
            TrainError::Step { .. }
            | TrainError::NotFinite { .. }
            | TrainError::GradientNotFinite { .. }
            | TrainError::WeightsNotFinite { .. }
            | TrainError::NotScalar { .. }
            | TrainError::Write { .. } => Fault::Run,
        }
    }
}
