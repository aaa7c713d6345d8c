//! KD losses: distances between the predictions of student and teacher, a file each.

mod bce;
mod ce;
mod dkd;
mod js;
mod mse;
mod reverse_kl;

use schemars::JsonSchema;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use tch::{Kind, Tensor};

pub use bce::KdBce;
pub use ce::KdCe;
pub use dkd::Dkd;
pub use js::Js;
pub use mse::KdMse;
pub use reverse_kl::ReverseKl;

use crate::named::{self, registry};
use crate::schedule::temperature::Temperature;
use crate::{Distribution, Result, RoleState, StepContext};

/// What a KD loss is computed from.
#[derive(Debug)]
pub struct KdInputs<'a> {
    /// The student's logits, `[rows, classes]`: a row is an example, or a position of one.
    pub student: &'a Tensor,
    /// The teacher's, of the same shape and without a gradient.
    pub teacher: &'a Tensor,
    /// One number, or one for each row.
    pub temperature: &'a Temperature,
    /// The labels of the rows, for losses that use them, where the adaptor returned any: classes `[rows]`, negative where
    /// there is none, or numbers `[rows, classes]` or `[rows]`, NaN where there is none.
    pub labels: Option<&'a Tensor>,
}

impl KdInputs<'_> {
    /// The logarithms of both softened distributions, the student's first.
    fn log_probabilities(&self) -> Result<(Tensor, Tensor)> {
        let of = |logits| -> Result<Tensor> { Ok(self.temperature.soften(logits)?.f_log_softmax(-1, None::<Kind>)?) };
        Ok((of(self.student)?, of(self.teacher)?))
    }
}

/// A distance between the predictions of student and teacher.
pub trait KdLoss {
    /// The name in `kd_loss_type`.
    fn name(&self) -> &str;

    /// What it makes of logits; it is for heads that are trained for the same. `None` if it compares logits as they are, or
    /// if only a plugin knows.
    fn distribution(&self) -> Option<Distribution> {
        None
    }

    /// Whether it reads the labels.
    fn uses_labels(&self) -> bool {
        false
    }

    /// Called before the calls of each forward step, and once more where a step is computed again: what depends on the calls
    /// made at a step begins anew.
    fn begin_step(&mut self, _context: &StepContext) {}

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// One number for each row, `[rows]`; the engine takes their mean, and may give it the rows of a batch in parts. A loss
    /// that needs all rows at once returns one number for them together, `[]`, and is given no parts. The gradient flows to
    /// the student only.
    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor>;
}

/// The KD loss of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[schemars(remote = "KdLossConfig", transform = named::schema)]
pub enum KdLossConfig {
    /// Cross-entropy of the softened distributions.
    Ce,
    /// Mean squared error of the softened logits.
    Mse,
    /// Binary cross-entropy of each class on its own, for heads whose classes do not exclude each other.
    Bce,
    /// KL divergence of the teacher's distribution from the student's.
    ReverseKl,
    /// Generalized Jensen-Shannon divergence.
    Js {
        /// The teacher's part of the mixture.
        #[serde(default = "half", deserialize_with = "between_0_and_1")]
        #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
        beta: f64,
    },
    /// Decoupled knowledge distillation.
    Dkd {
        /// The weight of the target class against all others.
        #[serde(default = "Dkd::default_alpha")]
        alpha: f64,
        /// The weight of the other classes among each other.
        #[serde(default = "Dkd::default_beta")]
        beta: f64,
    },
    /// A plugin's, by its name in `plugins.losses`.
    #[serde(rename = "plugin:NAME")]
    Plugin(String),
}

registry!(KdLossConfig);

impl KdLossConfig {
    /// The loss; a plugin's is made by `plugin`.
    pub fn make(&self, plugin: impl FnOnce(&str) -> Result<Box<dyn KdLoss>>) -> Result<Box<dyn KdLoss>> {
        Ok(match self {
            Self::Ce => Box::new(KdCe),
            Self::Mse => Box::new(KdMse),
            Self::Bce => Box::new(KdBce),
            Self::ReverseKl => Box::new(ReverseKl),
            Self::Js { beta } => Box::new(Js { beta: *beta }),
            Self::Dkd { alpha, beta } => Box::new(Dkd { alpha: *alpha, beta: *beta }),
            Self::Plugin(name) => plugin(name)?,
        })
    }
}

fn half() -> f64 {
    0.5
}

fn between_0_and_1<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    match 0.0 < number && number < 1.0 {
        true => Ok(number),
        false => Err(D::Error::invalid_value(Unexpected::Float(number), &"a number between 0 and 1")),
    }
}
