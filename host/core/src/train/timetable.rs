use super::config::Duration;
use super::{TrainError, TrainingConfig};
use crate::StepContext;

/// When things happen in a run, in the counts of TextBrewer: a forward step is one batch, an optimizer step (a global
/// step) comes after `gradient_accumulation_steps` of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    duration: Duration,
    accumulation: usize,
    batches_per_epoch: usize,
    ckpt_frequency: usize,
    ckpt_epoch_frequency: usize,
    ckpt_steps: Option<usize>,
}

impl Timetable {
    /// For a loader of `batches_per_epoch` batches.
    pub fn new(config: &TrainingConfig, batches_per_epoch: usize) -> Result<Self, TrainError> {
        config.check()?;
        let timetable = Self {
            duration: config.duration()?,
            accumulation: config.gradient_accumulation_steps,
            batches_per_epoch,
            ckpt_frequency: config.ckpt_frequency,
            ckpt_epoch_frequency: config.ckpt_epoch_frequency,
            ckpt_steps: config.ckpt_steps,
        };
        if timetable.optimizer_steps() == 0 || batches_per_epoch == 0 {
            return Err(TrainError::NoSteps { accumulation: timetable.accumulation, batches: batches_per_epoch });
        }
        Ok(timetable)
    }

    /// Optimizer steps in an epoch; batches left over at its end are not stepped on.
    fn steps_per_epoch(&self) -> usize {
        self.batches_per_epoch / self.accumulation
    }

    /// Batches in an epoch of all tasks together.
    pub fn batches_per_epoch(&self) -> usize {
        self.batches_per_epoch
    }

    /// Optimizer steps of the whole run.
    pub fn optimizer_steps(&self) -> usize {
        match self.duration {
            Duration::Epochs(epochs) => epochs.saturating_mul(self.steps_per_epoch()),
            Duration::Steps(steps) => steps,
        }
    }

    /// Forward steps of the whole run.
    pub fn forward_steps(&self) -> usize {
        match self.duration {
            Duration::Epochs(epochs) => epochs.saturating_mul(self.batches_per_epoch),
            Duration::Steps(steps) => steps.saturating_mul(self.accumulation),
        }
    }

    /// Epochs of the whole run, the last one perhaps cut short.
    pub fn epochs(&self) -> usize {
        self.forward_steps().div_ceil(self.batches_per_epoch)
    }

    /// The context of a forward step, which is that of a checkpoint after the step before it, too.
    pub fn context(&self, step: u64) -> StepContext {
        let (epoch, in_epoch) = (step / self.batches_per_epoch as u64, step % self.batches_per_epoch as u64);
        let accumulation = self.accumulation as u64;
        let global_step = match self.duration {
            Duration::Epochs(_) => epoch * self.steps_per_epoch() as u64 + in_epoch / accumulation,
            Duration::Steps(_) => step / accumulation,
        };
        let progress = global_step as f64 / self.optimizer_steps() as f64;
        StepContext { step, global_step, epoch, progress, task: None, side: None }
    }

    /// Whether gradients are dropped at the start of an epoch: in a run of epochs those of a rest of batches are, in a
    /// run of steps accumulation goes on across epochs.
    pub fn drops_rest_of_epoch(&self) -> bool {
        matches!(self.duration, Duration::Epochs(_))
    }

    /// Whether the optimizer steps after a forward step, both counted from 0: within the epoch, and in all.
    pub fn is_optimizer_step(&self, in_epoch: usize, in_all: usize) -> bool {
        let step = if self.drops_rest_of_epoch() { in_epoch } else { in_all };
        (step + 1).is_multiple_of(self.accumulation)
    }

    /// Checkpoints of the whole run.
    pub fn num_checkpoints(&self) -> usize {
        match self.duration {
            Duration::Epochs(epochs) => epochs
                .div_ceil(self.ckpt_epoch_frequency)
                .saturating_mul(self.ckpt_frequency.min(self.steps_per_epoch())),
            Duration::Steps(steps) => self.ckpt_steps.map_or(1, |every| steps.div_ceil(every)),
        }
    }

    /// Whether a checkpoint follows the optimizer step `global_step`, counted from 1, in `epoch`, counted from 0.
    pub fn is_checkpoint(&self, global_step: usize, epoch: usize) -> bool {
        match self.duration {
            Duration::Epochs(epochs) => {
                let in_epoch = global_step % self.steps_per_epoch();
                // More often than at every step is at every step.
                let frequency = self.ckpt_frequency.min(self.steps_per_epoch());
                let mut due = (0..frequency).map(|index| self.steps_per_epoch() * index / frequency);
                let epoch = epoch + 1;
                due.any(|step| step == in_epoch) && (epoch.is_multiple_of(self.ckpt_epoch_frequency) || epoch == epochs)
            }
            Duration::Steps(steps) => {
                global_step == steps || self.ckpt_steps.is_some_and(|every| global_step.is_multiple_of(every))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_be_longer_than_any_number() {
        let epochs = TrainingConfig { num_epochs: Some(usize::MAX), ..TrainingConfig::default() };
        let steps =
            TrainingConfig { num_steps: Some(usize::MAX), gradient_accumulation_steps: 2, ..TrainingConfig::default() };
        for config in [epochs, steps] {
            let timetable = Timetable::new(&config, 6).unwrap();
            assert_eq!((timetable.forward_steps(), timetable.optimizer_steps()), (usize::MAX, usize::MAX));
        }
    }

    fn checkpoints(config: &TrainingConfig, batches: usize) -> Vec<usize> {
        let timetable = Timetable::new(config, batches).unwrap();
        let per_epoch = timetable.steps_per_epoch().max(1);
        let steps = 1..=timetable.optimizer_steps();
        let found: Vec<usize> = steps.filter(|step| timetable.is_checkpoint(*step, (step - 1) / per_epoch)).collect();
        assert_eq!(timetable.num_checkpoints(), found.len());
        found
    }

    /// The optimizer steps before each forward step, counted as the engine takes them.
    #[test]
    fn the_context_of_a_step_follows_from_the_step() {
        let epochs =
            TrainingConfig { num_epochs: Some(3), gradient_accumulation_steps: 2, ..TrainingConfig::default() };
        let steps = TrainingConfig { num_steps: Some(9), ..epochs.clone() };
        for (config, batches) in [(&epochs, 5), (&epochs, 4), (&steps, 5)] {
            let timetable = Timetable::new(config, batches).unwrap();
            let mut global_step = 0;
            for step in 0..timetable.forward_steps() {
                let context = timetable.context(step as u64);
                assert_eq!((context.global_step, context.epoch), (global_step, (step / batches) as u64), "step {step}");
                assert_eq!(context.progress, global_step as f64 / timetable.optimizer_steps() as f64);
                global_step += u64::from(timetable.is_optimizer_step(step % batches, step));
            }
            assert_eq!(timetable.context(timetable.forward_steps() as u64).progress, 1.0);
        }
    }

    #[test]
    fn checkpoints_fall_within_and_at_the_end_of_epochs() {
        let epochs = TrainingConfig { num_epochs: Some(3), ..TrainingConfig::default() };
        assert_eq!(checkpoints(&epochs, 6), [6, 12, 18]);
        let twice = TrainingConfig { ckpt_frequency: 2, ..epochs.clone() };
        assert_eq!(checkpoints(&twice, 7), [3, 7, 10, 14, 17, 21]);
        let every_other = TrainingConfig { ckpt_epoch_frequency: 2, ..epochs };
        assert_eq!(checkpoints(&every_other, 6), [12, 18]);
    }

    #[test]
    fn checkpoints_fall_on_steps_and_on_the_last() {
        let steps = TrainingConfig { num_steps: Some(10), ckpt_steps: Some(4), ..TrainingConfig::default() };
        assert_eq!(checkpoints(&steps, 3), [4, 8, 10]);
        assert_eq!(checkpoints(&TrainingConfig { ckpt_steps: None, ..steps }, 3), [10]);
    }

    #[test]
    fn a_rest_of_batches_is_dropped_in_epochs_and_kept_in_steps() {
        let config =
            TrainingConfig { num_epochs: Some(2), gradient_accumulation_steps: 2, ..TrainingConfig::default() };
        let timetable = Timetable::new(&config, 5).unwrap();
        assert_eq!((timetable.optimizer_steps(), timetable.forward_steps()), (4, 10));
        assert!(!timetable.is_optimizer_step(4, 4) && timetable.is_optimizer_step(1, 6));
        let steps = Timetable::new(&TrainingConfig { num_steps: Some(4), ..config.clone() }, 5).unwrap();
        assert!(steps.is_optimizer_step(0, 5) && steps.epochs() == 2);
        assert!(Timetable::new(&config, 1).is_err());
    }
}
