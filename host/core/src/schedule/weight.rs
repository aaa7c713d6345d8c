//! Weights of losses that change in the course of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named::{self, registry};
use crate::{Result, RoleState, StepContext};

/// The weight of a loss at a point of the run.
pub trait WeightScheduler {
    /// The name in the configuration.
    fn name(&self) -> &str;

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// The weight from the context's step on. Called once after each optimizer step, before the next forward step; the
    /// configured weight holds until then.
    fn weight(&mut self, context: &StepContext) -> Result<f64>;
}

/// What changes the weight of a loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[schemars(remote = "WeightSchedulerConfig", transform = named::schema)]
pub enum WeightSchedulerConfig {
    /// The weight stays as it is.
    None,
    /// From 1 at the start to 0 at the end.
    LinearDecay,
    /// From 0 at the start to 1 at the end.
    LinearGrowth,
    /// A plugin's, by its name in `plugins.schedulers`.
    #[serde(rename = "plugin:NAME")]
    Plugin(String),
}

registry!(WeightSchedulerConfig);

impl WeightSchedulerConfig {
    /// The scheduler, if there is one; a plugin's is made by `plugin`.
    pub fn make(
        &self,
        plugin: impl FnOnce(&str) -> Result<Box<dyn WeightScheduler>>,
    ) -> Result<Option<Box<dyn WeightScheduler>>> {
        Ok(match self {
            Self::None => None,
            Self::LinearDecay => Some(Box::new(LinearDecay)),
            Self::LinearGrowth => Some(Box::new(LinearGrowth)),
            Self::Plugin(name) => Some(plugin(name)?),
        })
    }
}

/// From 1 at the start to 0 at the end.
pub struct LinearDecay;

impl WeightScheduler for LinearDecay {
    fn name(&self) -> &str {
        "linear_decay"
    }

    fn weight(&mut self, context: &StepContext) -> Result<f64> {
        Ok(1.0 - context.progress)
    }
}

/// From 0 at the start to 1 at the end.
pub struct LinearGrowth;

impl WeightScheduler for LinearGrowth {
    fn name(&self) -> &str {
        "linear_growth"
    }

    fn weight(&mut self, context: &StepContext) -> Result<f64> {
        Ok(context.progress)
    }
}
