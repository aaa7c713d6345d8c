use std::sync::atomic::{AtomicBool, Ordering};

use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::feed::Feed;
use super::optimizer::OptimizerConfig;
use super::stepper::Stepper;
use super::task::Prepared;
use super::{
    CheckpointReport, Observer, RunFolder, ScheduleConfig, StepReport, Task, TaskOrder, Timetable, TrainError,
    TrainingConfig, TrainingState,
};
use crate::callback::{Action, Scalars};
use crate::data::ModelBatches;
use crate::distiller::Distiller;
use crate::loss::{Loss, Term};
use crate::model::Mode;
use crate::random::split_mix;
use crate::{Callback, Features, Model, Result};

/// All that a run trains with.
pub struct Session {
    /// The model that all tasks train.
    pub student: Rc<dyn Model>,
    /// At least one.
    pub tasks: Vec<Task>,
    pub task_order: TaskOrder,
    pub distiller: Box<dyn Distiller>,
    /// Run after each checkpoint, in this order.
    pub callbacks: Vec<Box<dyn Callback>>,
    pub device: Device,
}

/// How a run trains.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub training: TrainingConfig,
    pub optimizer: OptimizerConfig,
    pub schedule: ScheduleConfig,
    /// How many batches on which a plugin fails are left out before the run fails.
    pub skip_batches: usize,
}

/// What the check before step 0 found.
#[derive(Debug)]
pub struct Checked {
    /// The summands of the loss.
    pub terms: Vec<Term>,
    /// What each model's adaptor returned.
    pub features: Vec<CheckedFeatures>,
    /// The parts of the loss of the first task's first batch, without dropout.
    pub losses: Scalars,
}

/// A model as it is called in messages, and its features by key: `logits` and `float32 [32, 2]`.
pub type CheckedFeatures = (String, Vec<(&'static str, String)>);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    /// A callback stopped it.
    Stopped {
        global_step: u64,
    },
    /// The interrupt flag was raised.
    Interrupted {
        global_step: u64,
    },
}

impl Session {
    /// The check before step 0: one batch of each task through everything, every feature verified, nothing trained.
    /// Afterwards the models compute only what was used.
    pub fn check(&mut self) -> Result<Checked> {
        let mut checked = Checked { terms: vec![], features: vec![], losses: Scalars::new() };
        for task in &mut self.tasks {
            task.read_modules(self.distiller.as_ref());
            let examples = task.loader.examples(0);
            let first = &examples[..examples.len().min(task.loader.batch_size())];
            let batch = task.prepare(task.views.batches(first)?, 0, self.device)?;
            let adapted = task.adapt(&batch, 0, Mode::Eval)?;
            task.check(self.distiller.as_ref(), &batch, &adapted)?;
            checked.features.extend(task.summary(&adapted));

            let student = adapted.student.0;
            let teachers: Vec<Features> = adapted.teachers.into_iter().map(|(features, _)| features).collect();
            let loss = self.distiller.loss(&student, &teachers)?;
            if !loss.total.requires_grad() {
                return Err(TrainError::NoGradient { adaptor: task.student.adaptor.name().to_owned() }.into());
            }
            let losses = scalars(&loss, 0)?;
            if checked.terms.is_empty() {
                checked.terms = self.distiller.terms(&student, &teachers);
                checked.losses = losses;
            }
        }
        Ok(checked)
    }

    /// Batches in an epoch of all tasks together.
    pub fn batches_per_epoch(&self) -> usize {
        self.tasks.iter().map(|task| task.loader.len()).sum()
    }

    /// Whether optimizer and schedule can be made of the settings. Training makes them anew.
    pub fn check_settings(&self, settings: &Settings) -> Result<()> {
        let timetable = Timetable::new(&settings.training, self.batches_per_epoch())?;
        Stepper::new(self, settings, &timetable).map(drop)
    }

    /// Trains the student, from `start` on: that of a checkpoint which the student comes from, or the beginning. `check`
    /// must have passed. A raised `interrupt` ends the run after the current step.
    ///
    /// # Errors
    /// If something goes wrong in a step, or if `start` is another optimizer's.
    pub fn train(
        &mut self,
        settings: &Settings,
        start: &TrainingState,
        folder: &RunFolder,
        observers: &mut [&mut dyn Observer],
        interrupt: &AtomicBool,
    ) -> Result<Outcome> {
        let timetable = Timetable::new(&settings.training, self.batches_per_epoch())?;
        let mut stepper = Stepper::new(self, settings, &timetable)?;
        stepper.restore(start)?;
        if start.global_step > 0 {
            self.distiller.advance(stepper.progress(&timetable))?;
        }
        let mut skipped_batches = start.skipped;
        let mut feed = Feed::new(&self.tasks, self.task_order.clone(), start.step);
        for observer in &mut *observers {
            observer.on_start(&timetable, start.step)?;
        }
        for step in start.step as usize..timetable.forward_steps() {
            let (epoch, in_epoch) = (step / timetable.batches_per_epoch(), step % timetable.batches_per_epoch());
            if in_epoch == 0 && timetable.drops_rest_of_epoch() {
                stepper.drop_gradients();
            }
            // Dropout follows from the seed and the step, so that a run that goes on draws what it would have drawn.
            tch::manual_seed(split_mix(settings.training.seed, step as u64) as i64);
            let (task, batches) = feed.next()?;
            let (losses, num_examples, skipped) =
                match self.forward_and_backward(task, batches, step as u64, &mut stepper) {
                    Ok((losses, num_examples)) => (losses, num_examples, None),
                    Err(error) if skipped_batches < settings.skip_batches as u64 && is_of_plugin(&error) => {
                        skipped_batches += 1;
                        (Scalars::new(), 0, Some(error.to_string()))
                    }
                    Err(error) => return Err(error),
                };
            let is_optimizer_step = timetable.is_optimizer_step(in_epoch, step);
            let lr = stepper.learning_rate();
            if is_optimizer_step {
                stepper.step()?;
                self.distiller.advance(stepper.progress(&timetable))?;
            }
            let report = StepReport {
                step: step as u64,
                global_step: stepper.global_step as u64,
                epoch,
                task: self.tasks[task].name.clone(),
                lr,
                num_examples,
                losses,
                skipped,
            };
            for observer in &mut *observers {
                observer.on_step(&report)?;
            }
            let is_checkpoint = is_optimizer_step && timetable.is_checkpoint(stepper.global_step, epoch);
            if is_checkpoint {
                let state = stepper.state(step as u64 + 1, skipped_batches)?;
                if self.checkpoint(&report, &state, folder, observers)? == Action::Stop {
                    return Ok(Outcome::Stopped { global_step: report.global_step });
                }
            }
            if interrupt.load(Ordering::Relaxed) {
                return Ok(Outcome::Interrupted { global_step: report.global_step });
            }
        }
        Ok(Outcome::Finished)
    }

    fn forward_and_backward(
        &mut self,
        task: usize,
        batches: ModelBatches,
        step: u64,
        stepper: &mut Stepper,
    ) -> Result<(Scalars, usize)> {
        let batch = self.tasks[task].prepare(batches, step, self.device)?;
        let in_step = |source: crate::Error| TrainError::Step { step, source: Box::new(source) };
        let loss = self.loss(task, &batch, step).map_err(in_step)?;
        let losses = scalars(&loss, step)?;
        stepper.backward(&loss.total).map_err(in_step)?;
        Ok((losses, batch.student().len()))
    }

    fn loss(&mut self, task: usize, batch: &Prepared, step: u64) -> Result<Loss> {
        let adapted = self.tasks[task].adapt(batch, step, Mode::Train)?;
        self.tasks[task].verify(self.distiller.as_ref(), batch, &adapted)?;
        let teachers: Vec<Features> = adapted.teachers.into_iter().map(|(features, _)| features).collect();
        self.distiller.loss(&adapted.student.0, &teachers)
    }

    fn checkpoint(
        &mut self,
        report: &StepReport,
        state: &TrainingState,
        folder: &RunFolder,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Action> {
        folder.save_checkpoint(state, self.student.as_ref(), &self.distiller.trained())?;
        let mut scalars = Scalars::new();
        let mut action = Action::Continue;
        for callback in &mut self.callbacks {
            if callback.on_checkpoint(&self.student, report.global_step, &mut scalars)? == Action::Stop {
                action = Action::Stop;
            }
        }
        let report = CheckpointReport { global_step: report.global_step, epoch: report.epoch, scalars };
        for observer in &mut *observers {
            observer.on_checkpoint(&report)?;
        }
        Ok(action)
    }
}

/// Whether a plugin failed at a step.
fn is_of_plugin(error: &crate::Error) -> bool {
    match error {
        crate::Error::Plugin(_) => true,
        crate::Error::Train(TrainError::Step { source, .. }) => is_of_plugin(source),
        _ => false,
    }
}

/// The numbers of a loss, in one transfer from the device. A number that is not finite is an error, before any
/// gradient is computed from it.
pub(super) fn scalars(loss: &Loss, step: u64) -> Result<Scalars> {
    if loss.total.numel() != 1 {
        return Err(TrainError::NotScalar { step, shape: loss.total.size() }.into());
    }
    let names = loss.parts.keys().map(String::as_str).chain(["total_loss"]);
    let tensors = loss.parts.values().chain([&loss.total]);
    let flat = tensors.map(|tensor| tensor.detach().f_reshape([1])?.f_to_kind(Kind::Float));
    let values = Tensor::f_cat(&flat.collect::<Result<Vec<_>, _>>()?, 0)?.f_to_device(Device::Cpu)?;
    let values: Vec<f32> = Vec::try_from(&values)?;
    let mut scalars: Scalars = names.map(str::to_owned).zip(values.into_iter().map(f64::from)).collect();
    // The parts first: a part that is not finite is why the total is not.
    if let Some((part, value)) = scalars.iter().find(|(_, value)| !value.is_finite()) {
        return Err(TrainError::NotFinite { step, part: part.clone(), value: *value }.into());
    }
    scalars.move_index(scalars.len() - 1, 0);
    Ok(scalars)
}
