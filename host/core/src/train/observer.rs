use super::Timetable;
use crate::Result;
use crate::callback::Scalars;

/// What is known of a forward step when it is done.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// The forward step, counted from 0.
    pub step: u64,
    /// Optimizer steps done.
    pub global_step: u64,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The task's name where there are several.
    pub task: Option<String>,
    pub lr: f64,
    /// Examples of the batch.
    pub num_examples: usize,
    /// `total_loss`, and the unweighted parts by TextBrewer's names.
    pub losses: Scalars,
    /// Why the batch was left out, if it was: what went wrong in a plugin. Then there are no losses.
    pub skipped: Option<String>,
}

/// What is known of a checkpoint when its callbacks have run and it is saved.
#[derive(Debug, Clone)]
pub struct CheckpointReport {
    pub global_step: u64,
    pub epoch: usize,
    /// What the callbacks reported.
    pub scalars: Scalars,
}

/// Watches a run: a progress bar, a log.
pub trait Observer {
    /// Before the forward step `first_step`, which is 0 but in a resumed run.
    fn on_start(&mut self, _timetable: &Timetable, _first_step: u64) -> Result<()> {
        Ok(())
    }

    fn on_step(&mut self, _report: &StepReport) -> Result<()> {
        Ok(())
    }

    fn on_checkpoint(&mut self, _report: &CheckpointReport) -> Result<()> {
        Ok(())
    }
}
