//! What follows an optimizer step: the student is evaluated, then it is decided whether a checkpoint is saved, then callbacks
//! look at the student, and last the checkpoint is saved and those that it outdates are removed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::observer::tell;
use super::saving::Saving;
use super::{CheckpointEvent, EvaluationEvent, Event, Observer, RunFolder, Session, TrainingState};
use crate::callback::{Action, Scalars};
use crate::{Result, StepContext, libtorch};

/// A run under way: where it writes, who watches it, and what it has saved.
pub(super) struct Run<'r, 'o> {
    pub folder: &'r RunFolder,
    pub observers: &'r mut [&'o mut dyn Observer],
    pub interrupt: &'r AtomicBool,
    pub saving: Saving,
    /// A checkpoint that an unbroken run does not have; it stays until there is a later one.
    pub superseded: Option<u64>,
}

/// What is due after an optimizer step.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub evaluation: bool,
    pub checkpoint: bool,
    /// Nothing follows but the end of the run.
    pub is_last: bool,
    /// That of the step which would follow, but for the epoch, which is the last step's.
    pub context: StepContext,
}

/// How a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    /// A callback ends it.
    Stop,
    /// An interrupt ends it, with a checkpoint to resume from.
    Interrupted,
}

/// What evaluations and callbacks found.
struct Found {
    evaluation: Option<Event>,
    /// The value of the metric that says which checkpoint is the best.
    value: Option<f64>,
    /// `None` where no checkpoint is saved.
    checkpoint: Option<Event>,
    action: Action,
}

impl Run<'_, '_> {
    pub fn tell(&mut self, event: &Event) -> Result<()> {
        tell(self.observers, event)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Removes what a run that was killed left of checkpoints before `global_step` which do not stay.
    pub fn remove_leftovers(&self, global_step: u64) -> Result<()> {
        for (step, _) in self.folder.checkpoints()? {
            if step < global_step && !self.saving.holds(step) {
                self.folder.remove_checkpoint(step)?;
            }
        }
        Ok(())
    }
}

impl Session {
    /// Does what is due after an optimizer step; `state` is that of the run after it. If an evaluation or a callback fails, or
    /// an interrupt comes before they are done, the checkpoint is saved as it was before them: they are run again when the
    /// run is resumed.
    pub(super) fn after_step(&mut self, run: &mut Run<'_, '_>, due: Due, mut state: TrainingState) -> Result<Next> {
        let global_step = state.global_step;
        state.roles = self.save_states()?;
        let found = libtorch::guarded(|| self.look(run, &due));
        // It is asked once: a signal that comes later is that of the next step.
        let is_interrupted = run.is_interrupted();
        let mut outdated = vec![];
        if let Ok(Some(found)) = &found {
            state.metrics_lines = Some(found.evaluation.iter().chain(&found.checkpoint).map(Event::line).collect());
            state.is_stopped = found.action == Action::Stop;
            state.roles = self.save_states()?;
            if found.checkpoint.is_some() {
                outdated = run.saving.add(global_step, found.value);
            }
        }
        let is_none_due = matches!(&found, Ok(Some(found)) if found.checkpoint.is_none());
        if !is_none_due || is_interrupted {
            state.saved = run.saving.saved().to_vec();
            self.save(&state, run.folder)?;
            outdated.extend(run.superseded.take().filter(|step| *step != global_step));
            for step in outdated {
                run.folder.remove_checkpoint(step)?;
            }
        }
        let Some(found) = found? else { return Ok(Next::Interrupted) };
        if let Some(checkpoint) = &found.checkpoint {
            run.tell(checkpoint)?;
        }
        Ok(match found.action {
            Action::Stop => Next::Stop,
            Action::Continue if is_interrupted && !due.is_last => Next::Interrupted,
            Action::Continue => Next::Continue,
        })
    }

    /// What evaluations and callbacks find of the student; `None` if an interrupt comes before they are done.
    fn look(&mut self, run: &mut Run<'_, '_>, due: &Due) -> Result<Option<Found>> {
        let (global_step, epoch) = (due.context.global_step, due.context.epoch as usize);
        let mut found = Found { evaluation: None, value: None, checkpoint: None, action: Action::Continue };
        let mut scalars = Scalars::new();
        if due.evaluation {
            for evaluator in &mut self.evaluators {
                if run.is_interrupted() {
                    return Ok(None);
                }
                scalars.extend(evaluator.evaluate(&self.student, run.interrupt)?);
            }
            // It may have come in the middle of an evaluation.
            if run.is_interrupted() {
                return Ok(None);
            }
            let event = Event::Evaluation(EvaluationEvent { global_step, epoch, metrics: scalars.clone() });
            run.tell(&event)?;
            found.value = run.saving.value(&scalars);
            found.evaluation = Some(event);
        }
        if !due.checkpoint && !run.saving.is_best(found.value) {
            return Ok(Some(found));
        }
        let num_metrics = scalars.len();
        for callback in &mut self.callbacks {
            if run.is_interrupted() {
                return Ok(None);
            }
            if callback.on_checkpoint(&self.student, &due.context, &mut scalars)? == Action::Stop {
                found.action = Action::Stop;
            }
        }
        if run.is_interrupted() && !self.callbacks.is_empty() {
            return Ok(None);
        }
        let scalars = scalars.split_off(num_metrics);
        found.checkpoint = Some(Event::Checkpoint(CheckpointEvent { global_step, epoch, scalars }));
        Ok(Some(found))
    }

    /// Saves a checkpoint, after what the caches hold.
    fn save(&self, state: &TrainingState, folder: &RunFolder) -> Result<()> {
        for task in &self.tasks {
            task.flush_caches()?;
        }
        folder.save_checkpoint(state, &self.student, &self.distiller.trained())
    }

    /// The names of the numbers that evaluations report: `dev_loss`, `dev_accuracy`.
    pub fn metric_names(&self) -> Vec<String> {
        let metrics = self.evaluators.iter().flat_map(|evaluator| evaluator.metrics());
        metrics.map(|(name, _)| name).collect()
    }

    /// Whether the numbers that the first callback is configured with are reported by evaluations. What a callback reports, and
    /// so what those after it can name, only a call can tell.
    ///
    /// # Errors
    /// A callback's, with the names that there are.
    pub fn check_callbacks(&self) -> Result<()> {
        self.callbacks.first().map_or(Ok(()), |callback| callback.check_scalars(&self.metric_names()))
    }

    /// Evaluates the student as it is on little data and calls each callback once, and keeps nothing of what they do: a mistake
    /// in one of them shows at the first checkpoint otherwise, hours later.
    ///
    /// # Errors
    /// That of an evaluation, or a callback's, from its configuration or from its call.
    pub fn rehearse(&mut self) -> Result<()> {
        let mut scalars = Scalars::new();
        for evaluator in &mut self.evaluators {
            scalars.extend(evaluator.rehearse(&self.student)?);
        }
        for callback in &mut self.callbacks {
            let known: Vec<String> = scalars.keys().cloned().collect();
            callback.check_scalars(&known)?;
            callback.rehearse(&self.student, &mut scalars)?;
        }
        Ok(())
    }
}
