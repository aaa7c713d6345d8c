use std::fmt;

use crate::loss::PluginLosses;
use crate::loss::plugins::make_weight_scheduler;
use crate::weight::WeightScheduler;
use crate::{Result, RoleState, StepContext};

/// The weight of a loss: the configured number until the first optimizer step, then the scheduler's if there is one.
pub(super) struct Weight {
    value: f64,
    /// The optimizer steps done that the value is for.
    global_step: u64,
    scheduler: Option<Box<dyn WeightScheduler>>,
}

impl Weight {
    /// `key` is the weight's own key; the scheduler's is `key` with `_scheduler`.
    pub(super) fn new(key: &str, value: f64, scheduler: &str, plugins: &mut dyn PluginLosses) -> Result<Self> {
        let scheduler = match scheduler {
            "none" => None,
            name => Some(make_weight_scheduler(&format!("distillation.{key}_scheduler"), name, plugins)?),
        };
        Ok(Self { value, global_step: 0, scheduler })
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// Whether it is, or becomes, anything but 0.
    pub(super) fn is_used(&self) -> bool {
        self.value != 0.0 || self.scheduler.is_some()
    }

    /// Asks the scheduler once after each optimizer step, before the weight is used again.
    pub(super) fn begin_step(&mut self, context: &StepContext) -> Result<()> {
        if let Some(scheduler) = &mut self.scheduler
            && context.global_step != self.global_step
        {
            self.value = scheduler.weight(context)?;
            self.global_step = context.global_step;
        }
        Ok(())
    }

    /// What the scheduler remembers.
    pub(super) fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.scheduler.as_mut()?.state()
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
