use super::{CheckpointEvent, EndEvent, EvaluationEvent, Event, StartEvent, StepEvent};
use crate::Result;

/// Watches a run: a progress bar, a log. A failure ends the run.
///
/// A run begins with its start and ends with its end; one that fails has no end. After a forward step comes the step; after one
/// that the optimizer took, the evaluation, if one is due, and then the checkpoint, once it is saved.
pub trait Observer {
    fn on_start(&mut self, _start: &StartEvent) -> Result<()> {
        Ok(())
    }

    fn on_step(&mut self, _step: &StepEvent) -> Result<()> {
        Ok(())
    }

    fn on_evaluation(&mut self, _evaluation: &EvaluationEvent) -> Result<()> {
        Ok(())
    }

    fn on_checkpoint(&mut self, _checkpoint: &CheckpointEvent) -> Result<()> {
        Ok(())
    }

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
