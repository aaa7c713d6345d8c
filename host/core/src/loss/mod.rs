//! Losses: one file each, and the plan that sums them.

mod config;
mod error;
pub mod kd;
pub mod matching;
mod plan;

pub use config::{CustomMatch, DistillationConfig, IntermediateMatch, KdLossScale, LayerIndex, ModuleNames};
pub use error::LossError;
pub use plan::{
    KdTerm, Loss, LossPlan, MatchTerm, ModelFeatures, Term, check_features, check_gradients, hard_label_loss,
    probability_shift, select_logits,
};

use tch::{Kind, Tensor};

use crate::Result;
pub use crate::named::PLUGIN_PREFIX;
use crate::schedule::temperature::TemperatureScheduler;
use crate::schedule::weight::WeightScheduler;
use kd::KdLoss;
use matching::MatchLoss;

/// The kind that many numbers are summed in: those of 16 bits end at 65504, or lose small summands.
fn sum_kind(numbers: &Tensor) -> Result<Kind> {
    Ok(match numbers.f_kind()? {
        Kind::Double => Kind::Double,
        _ => Kind::Float,
    })
}

/// Makes what a configuration names as `plugin:NAME`. `key` is where the name stands, for messages.
pub trait PluginLosses {
    /// A KD loss.
    fn kd_loss(&mut self, key: &str, name: &str) -> Result<Box<dyn KdLoss>>;
    /// A match loss.
    fn match_loss(&mut self, key: &str, name: &str) -> Result<Box<dyn MatchLoss>>;
    /// A temperature scheduler.
    fn temperature_scheduler(&mut self, key: &str, name: &str) -> Result<Box<dyn TemperatureScheduler>>;
    /// A weight scheduler.
    fn weight_scheduler(&mut self, key: &str, name: &str) -> Result<Box<dyn WeightScheduler>>;
}
