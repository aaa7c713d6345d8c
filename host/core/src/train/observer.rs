use super::{CheckpointEvent, EndEvent, EvaluationEvent, Event, StartEvent, StepEvent};
use crate::Result;

/// Watches a run: a progress bar, a log. A failure ends the run.
///
/// A run begins with its start and ends with its end; one that fails has no end. After a forward step comes the step; after one
/// that the optimizer took, the evaluation, if one is due, and then the checkpoint, once it is saved.
pub trait Observer {
    /// Before the first step of the run, or of what is left of it.
    fn on_start(&mut self, _start: &StartEvent) -> Result<()> {
        Ok(())
    }

    /// After a forward step, and the optimizer step that it completes.
    fn on_step(&mut self, _step: &StepEvent) -> Result<()> {
        Ok(())
    }

    /// After an evaluation.
    fn on_evaluation(&mut self, _evaluation: &EvaluationEvent) -> Result<()> {
        Ok(())
    }

    /// After a checkpoint is saved.
    fn on_checkpoint(&mut self, _checkpoint: &CheckpointEvent) -> Result<()> {
        Ok(())
    }

    /// At the end of the run.
    fn on_end(&mut self, _end: &EndEvent) -> Result<()> {
        Ok(())
    }
}

/// Tells an event to each of the observers, in order.
pub(super) fn tell(observers: &mut [&mut dyn Observer], event: &Event) -> Result<()> {
    for observer in observers {
        match event {
            Event::Start(start) => observer.on_start(start)?,
            Event::Step(step) => observer.on_step(step)?,
            Event::Evaluation(evaluation) => observer.on_evaluation(evaluation)?,
            Event::Checkpoint(checkpoint) => observer.on_checkpoint(checkpoint)?,
            Event::End(end) => observer.on_end(end)?,
        }
    }
    Ok(())
}
