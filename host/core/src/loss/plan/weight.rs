use std::fmt;

use crate::Result;
use crate::loss::PluginLosses;
use crate::schedule::weight::{WeightScheduler, WeightSchedulerConfig};

/// The weight of a loss: the configured number until the first optimizer step, then the scheduler's if there is one.
pub(super) struct Weight {
    value: f64,
    scheduler: Option<Box<dyn WeightScheduler>>,
}

impl Weight {
    /// `key` is the weight's own key; the scheduler's is `key` with `_scheduler`.
    pub(super) fn new(
        key: &str,
        value: f64,
        scheduler: &WeightSchedulerConfig,
        plugins: &mut dyn PluginLosses,
    ) -> Result<Self> {
        let key = format!("distillation.{key}_scheduler");
        Ok(Self { value, scheduler: scheduler.make(|name| plugins.weight_scheduler(&key, name))? })
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// Whether it is, or becomes, anything but 0.
    pub(super) fn is_used(&self) -> bool {
        self.value != 0.0 || self.scheduler.is_some()
    }

    pub(super) fn advance(&mut self, progress: f64) -> Result<()> {
        if let Some(scheduler) = &mut self.scheduler {
            self.value = scheduler.weight(progress)?;
        }
        Ok(())
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheduler {
            Some(scheduler) => write!(formatter, "{}, then {}", self.value, scheduler.name()),
            None => write!(formatter, "{}", self.value),
        }
    }
}
