//! The step that a run is at, for roles that are not told it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use brewer::train::{Observer, StartEvent, StepEvent};

/// The forward step of a run, shared by all of its plugins. It watches the run.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    step: AtomicU64,
    /// How often the clock was set: the check before training and the first step are both at 0.
    ticks: AtomicU64,
}

impl Clock {
    /// The step under way, counted from 0.
    pub(crate) fn step(&self) -> u64 {
        self.0.step.load(Ordering::Relaxed)
    }

    /// A number that is another one whenever the run has moved on.
    pub(crate) fn ticks(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }

    /// Puts the clock at a step: the last one done, in a resumed run. What plugins may use in a step begins anew.
    pub fn set(&self, step: u64) {
        self.0.step.store(step, Ordering::Relaxed);
        self.0.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Observer for Clock {
    fn on_start(&mut self, start: &StartEvent) -> brewer::Result<()> {
        self.set(start.first_step);
        Ok(())
    }

    fn on_step(&mut self, event: &StepEvent) -> brewer::Result<()> {
        self.set(event.step + 1);
        Ok(())
    }
}
