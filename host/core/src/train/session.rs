use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Kind, Tensor};

use super::feed::Feed;
use super::metrics_log::checkpoint_line;
use super::optimizer::OptimizerConfig;
use super::stepper::Stepper;
use super::task::Prepared;
use super::{
    CheckpointReport, Observer, RunFolder, ScheduleConfig, StepReport, TaskOrder, Timetable, TrainError,
    TrainingConfig, TrainingState, TrainingTask,
};
use crate::callback::{Action, Scalars};
use crate::data::ModelBatches;
use crate::distiller::Distiller;
use crate::loss::{Loss, Term};
use crate::out_of_memory::{OutOfMemory, TRAINING_KEYS, described};
use crate::random::split_mix;
use crate::{Callback, Features, Result, Side, StepContext, Student, libtorch};

/// All that a run trains with.
pub struct Session {
    /// What all tasks train.
    pub student: Student,
    /// At least one.
    pub tasks: Vec<TrainingTask>,
    pub task_order: TaskOrder,
    pub distiller: Box<dyn Distiller>,
    /// Run at each checkpoint, in this order.
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
            let context = StepContext::default().of_task(task.name.as_ref());
            let batch = task.prepare(task.views.batches(first)?, &context, self.device)?;
            let adapted = libtorch::guarded(|| task.adapt(&batch, &context, false)).map_err(|error| {
                let during = "the check of the first batch".to_owned();
                OutOfMemory::or_else(error, during, described(batch.student()), TRAINING_KEYS, |error| error)
            })?;
            task.check(self.distiller.as_ref(), &batch, &adapted)?;
            checked.features.extend(task.summary(&adapted));

            let student = adapted.student.0;
            let teachers: Vec<Features> = adapted.teachers.into_iter().map(|(features, _)| features).collect();
            self.distiller.begin_step(&context)?;
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
        self.check_states()?;
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
    /// must have passed. A raised `interrupt` ends the run after the next optimizer step, which may be the current one,
    /// with a checkpoint to resume from.
    ///
    /// # Errors
    /// If something goes wrong in a step, or if `start` is another optimizer's.
    pub fn train(
        &mut self,
        settings: &Settings,
        mut start: TrainingState,
        folder: &RunFolder,
        observers: &mut [&mut dyn Observer],
        interrupt: &AtomicBool,
    ) -> Result<Outcome> {
        let timetable = Timetable::new(&settings.training, self.batches_per_epoch())?;
        let mut stepper = Stepper::new(self, settings, &timetable)?;
        stepper.restore(&start)?;
        // The optimizer has copies of its own.
        start.optimizer.clear();
        let mut skipped_batches = start.skipped;
        for observer in &mut *observers {
            observer.on_start(&timetable, start.step)?;
        }
        if start.is_stopped {
            return Ok(Outcome::Stopped { global_step: start.global_step });
        }
        // The checkpoint of an interrupt is kept until there is a later one.
        let mut superseded = None;
        if let Some(last) = start.step.checked_sub(1) {
            if !self.refill_caches(&start, &timetable, interrupt)? {
                return Ok(Outcome::Interrupted { global_step: start.global_step });
            }
            // Until now roles were called for the check and for the caches alone.
            self.restore_states(&start.roles)?;
            let epoch = last as usize / timetable.batches_per_epoch();
            let is_due = timetable.is_checkpoint(start.global_step as usize, epoch);
            match &start.metrics_line {
                Some(_) => {}
                // An interrupt came before its callbacks, or one of them failed; an unbroken run goes through all of them.
                None if is_due => {
                    let state = stepper.state(start.step, start.skipped)?;
                    match self.checkpoint(epoch, state, &timetable, folder, observers, interrupt)? {
                        Some(Action::Continue) => {}
                        Some(Action::Stop) => return Ok(Outcome::Stopped { global_step: start.global_step }),
                        None => return Ok(Outcome::Interrupted { global_step: start.global_step }),
                    }
                }
                None => superseded = Some(start.global_step),
            }
        }
        // It looks into the caches ahead of the steps, so they are full by now.
        let mut feed = Feed::new(&self.tasks, self.task_order.clone(), start.step);
        for step in start.step as usize..timetable.forward_steps() {
            let (epoch, in_epoch) = (step / timetable.batches_per_epoch(), step % timetable.batches_per_epoch());
            if in_epoch == 0 && timetable.drops_rest_of_epoch() {
                stepper.drop_gradients();
            }
            // Dropout follows from the seed and the step, so that a resumed run draws what an unbroken one draws.
            let seed = split_mix(settings.training.seed, step as u64) as i64;
            tch::manual_seed(seed);
            let (task, batches) = feed.next()?;
            let context = timetable.context(step as u64).of_task(self.tasks[task].name.as_ref());
            self.distiller.begin_step(&context)?;
            let trained = libtorch::guarded(|| self.forward_and_backward(task, batches, &context, seed, &mut stepper));
            let (losses, num_examples, skipped) = match trained {
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
                libtorch::guarded(|| stepper.step()).map_err(|error| {
                    let other = |source| TrainError::Step { step: step as u64, source: Box::new(source) }.into();
                    let (during, batch) = (format!("the optimizer's step {step}"), format!("{num_examples} examples"));
                    OutOfMemory::or_else(error, during, batch, TRAINING_KEYS, other)
                })?;
            }
            let report = StepReport {
                step: step as u64,
                global_step: stepper.global_step as u64,
                epoch,
                task: context.task.as_deref().map(str::to_owned),
                lr,
                num_examples,
                losses,
                skipped,
            };
            for observer in &mut *observers {
                observer.on_step(&report)?;
            }
            if !is_optimizer_step {
                continue;
            }
            let global_step = report.global_step;
            let is_checkpoint = timetable.is_checkpoint(stepper.global_step, epoch);
            let is_interrupted = interrupt.load(Ordering::Relaxed);
            if !is_checkpoint && !is_interrupted {
                continue;
            }
            let state = stepper.state(step as u64 + 1, skipped_batches)?;
            let action = match is_checkpoint {
                true => self.checkpoint(epoch, state, &timetable, folder, observers, interrupt)?,
                false => {
                    let roles = self.save_states()?;
                    self.save(&TrainingState { roles, ..state }, folder)?;
                    None
                }
            };
            if let Some(earlier) = superseded.take() {
                folder.remove_checkpoint(earlier)?;
            }
            match action {
                Some(Action::Stop) => return Ok(Outcome::Stopped { global_step }),
                Some(Action::Continue) if !interrupt.load(Ordering::Relaxed) => {}
                // What is left to do is to save the student.
                Some(Action::Continue) if step + 1 == timetable.forward_steps() => {}
                _ => return Ok(Outcome::Interrupted { global_step }),
            }
        }
        stepper.check_weights()?;
        Ok(Outcome::Finished)
    }

    fn forward_and_backward(
        &mut self,
        task: usize,
        batches: ModelBatches,
        context: &StepContext,
        seed: i64,
        stepper: &mut Stepper,
    ) -> Result<(Scalars, usize)> {
        let step = context.step;
        let batch = self.tasks[task].prepare(batches, context, self.device)?;
        let in_step = |source: crate::Error| {
            let other = |source| -> crate::Error { TrainError::Step { step, source: Box::new(source) }.into() };
            OutOfMemory::or_else(source, format!("step {step}"), described(batch.student()), TRAINING_KEYS, other)
        };
        let loss = libtorch::guarded(|| self.loss(task, &batch, context)).map_err(in_step)?;
        let losses = scalars(&loss, step)?;
        if let Some(found) = libtorch::guarded(|| stepper.backward(&loss.total)).map_err(in_step)? {
            drop(loss);
            tch::manual_seed(seed);
            return Err(self.blame(task, &batch, context, stepper, &found).into());
        }
        Ok((losses, batch.student().len()))
    }

    fn loss(&mut self, task: usize, batch: &Prepared, context: &StepContext) -> Result<Loss> {
        let adapted = self.tasks[task].adapt(batch, context, true)?;
        self.tasks[task].verify(self.distiller.as_ref(), batch, &adapted)?;
        let teachers: Vec<Features> = adapted.teachers.into_iter().map(|(features, _)| features).collect();
        self.distiller.loss(&adapted.student.0, &teachers)
    }

    /// Runs the callbacks, saves a checkpoint with what they found, and reports it. If one of them fails, or an interrupt
    /// comes before they are done (`None`), the checkpoint is saved as it was before them: they are run again when the run is
    /// resumed.
    fn checkpoint(
        &mut self,
        epoch: usize,
        mut state: TrainingState,
        timetable: &Timetable,
        folder: &RunFolder,
        observers: &mut [&mut dyn Observer],
        interrupt: &AtomicBool,
    ) -> Result<Option<Action>> {
        let context = StepContext { epoch: epoch as u64, side: Some(Side::Student), ..timetable.context(state.step) };
        state.roles = self.save_states()?;
        let called = libtorch::guarded(|| self.run_callbacks(&context, interrupt));
        if let Ok(Some((action, report))) = &called {
            state.roles = self.save_states()?;
            state.metrics_line = Some(checkpoint_line(report));
            state.is_stopped = *action == Action::Stop;
        }
        self.save(&state, folder)?;
        let Some((action, report)) = called? else { return Ok(None) };
        for observer in observers {
            observer.on_checkpoint(&report)?;
        }
        Ok(Some(action))
    }

    /// Saves a checkpoint, after what the caches hold.
    fn save(&self, state: &TrainingState, folder: &RunFolder) -> Result<()> {
        for task in &self.tasks {
            task.flush_caches()?;
        }
        folder.save_checkpoint(state, &self.student, &self.distiller.trained())
    }

    /// What the callbacks want and what they reported; `None` if an interrupt came before they were done.
    fn run_callbacks(
        &mut self,
        context: &StepContext,
        interrupt: &AtomicBool,
    ) -> Result<Option<(Action, CheckpointReport)>> {
        let mut scalars = Scalars::new();
        let mut action = Action::Continue;
        for callback in &mut self.callbacks {
            if !interrupt.load(Ordering::Relaxed)
                && callback.on_checkpoint(&self.student, context, &mut scalars, interrupt)? == Action::Stop
            {
                action = Action::Stop;
            }
            // It may have come in the middle of the callback.
            if interrupt.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        let StepContext { global_step, epoch, .. } = *context;
        Ok(Some((action, CheckpointReport { global_step, epoch: epoch as usize, scalars })))
    }
}

/// Whether a plugin failed at a step.
pub(super) fn is_of_plugin(error: &crate::Error) -> bool {
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
