use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Kind, Tensor};

use super::checkpointing::{Due, Next, Run};
use super::feed::Feed;
use super::optimizer::OptimizerConfig;
use super::saving::{Saved, Saving};
use super::stepper::Stepper;
use super::task::Prepared;
use super::{
    Branch, EndEvent, EvaluationConfig, Evaluator, Event, Observer, Outcome, RunFolder, ScheduleConfig, StartEvent,
    StepEvent, TaskOrder, Timetable, TrainError, TrainingConfig, TrainingState, TrainingTask,
};
use crate::callback::Scalars;
use crate::data::ModelBatches;
use crate::distiller::Distiller;
use crate::loss::{Loss, Term};
use crate::out_of_memory::{OutOfMemory, TRAINING_KEYS, described};
use crate::random::split_mix;
use crate::{Callback, Result, Side, StepContext, Student, libtorch};

/// All that a run trains with.
pub struct Session {
    /// What all tasks train.
    pub student: Student,
    /// At least one.
    pub tasks: Vec<TrainingTask>,
    /// Which task each step is for.
    pub task_order: TaskOrder,
    /// What turns features into a loss.
    pub distiller: Box<dyn Distiller>,
    /// What the student is evaluated on.
    pub evaluators: Vec<Box<dyn Evaluator>>,
    /// Run at each checkpoint, after the evaluation, in this order.
    pub callbacks: Vec<Box<dyn Callback>>,
}

/// How a run trains.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How long it trains, and when it saves.
    pub training: TrainingConfig,
    /// When the student is evaluated, and which is the best.
    pub evaluation: EvaluationConfig,
    /// How parameters are changed.
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
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
            let batch = task.prepare(task.views.batches(first)?, &context)?;
            let adapted = libtorch::guarded(|| task.adapt(&batch, &context, None)).map_err(|error| {
                let during = "the check of the first batch".to_owned();
                OutOfMemory::or_else(error, during, described(batch.student()), TRAINING_KEYS, |error| error)
            })?;
            task.check(self.distiller.as_ref(), &batch, &adapted)?;
            checked.features.extend(task.summary(&adapted));

            let ((student, _), teachers) = adapted.into_features();
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

    /// Which forwards were made twice since the check, and why: a sentence for each model.
    pub fn repeats(&self) -> Vec<String> {
        let branches = self.tasks.iter().flat_map(|task| task.teachers.iter().chain([&task.student]));
        branches.filter_map(Branch::repeats).collect()
    }

    /// Batches in an epoch of all tasks together.
    pub fn batches_per_epoch(&self) -> usize {
        self.tasks.iter().map(|task| task.loader.len()).sum()
    }

    /// Whether optimizer and schedule can be made of the settings, which training makes anew, and whether the metric that says
    /// which checkpoint is the best is reported.
    pub fn check_settings(&self, settings: &Settings) -> Result<()> {
        self.saving(settings, vec![])?;
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
    ) -> Result<EndEvent> {
        let timetable = Timetable::new(&settings.training, self.batches_per_epoch())?;
        let mut stepper = Stepper::new(self, settings, &timetable)?;
        stepper.restore(&start)?;
        // The optimizer has copies of its own.
        start.optimizer.clear();
        let saving = self.saving(settings, std::mem::take(&mut start.saved))?;
        let mut run = Run { folder, observers, interrupt, saving, superseded: None };
        run.tell(&Event::Start(StartEvent::new(&timetable, start.step)))?;
        let outcome = match self.resume(settings, &start, &timetable, &stepper, &mut run)? {
            Next::Continue => self.steps(settings, &start, &timetable, &mut stepper, &mut run)?,
            next => next,
        };
        let outcome = match outcome {
            Next::Continue => Outcome::Finished,
            Next::Stop => Outcome::Stopped,
            Next::Interrupted => Outcome::Interrupted,
        };
        let end = EndEvent { outcome, global_step: stepper.global_step as u64, best: run.saving.best() };
        run.tell(&Event::End(end.clone()))?;
        Ok(end)
    }

    /// Puts a run back to where it was at its checkpoint.
    fn resume(
        &mut self,
        settings: &Settings,
        start: &TrainingState,
        timetable: &Timetable,
        stepper: &Stepper,
        run: &mut Run<'_, '_>,
    ) -> Result<Next> {
        run.remove_leftovers(start.global_step)?;
        if start.is_stopped {
            return Ok(Next::Stop);
        }
        let Some(last) = start.step.checked_sub(1) else { return Ok(Next::Continue) };
        if !run.saving.holds(start.global_step) {
            run.superseded = Some(start.global_step);
        }
        if !self.refill_caches(start, timetable, run.interrupt)? {
            return Ok(Next::Interrupted);
        }
        // Until now roles were called for the check and for the caches alone.
        self.restore_states(&start.roles)?;
        if start.metrics_lines.is_some() {
            return Ok(Next::Continue);
        }
        // An interrupt came before all was done that was due, or something failed; an unbroken run does all of it.
        let due = self.due(settings, timetable, last as usize, stepper.global_step);
        self.after_step(run, due, stepper.state(start.step, start.skipped)?)
    }

    /// The forward steps from `start` on, to the end of the run.
    fn steps(
        &mut self,
        settings: &Settings,
        start: &TrainingState,
        timetable: &Timetable,
        stepper: &mut Stepper,
        run: &mut Run<'_, '_>,
    ) -> Result<Next> {
        let mut skipped_batches = start.skipped;
        // It looks into the caches ahead of the steps, so they are full by now.
        let mut feed = Feed::new(&self.tasks, self.task_order.clone(), start.step);
        for step in start.step as usize..timetable.forward_steps() {
            let (epoch, in_epoch) = (step / timetable.batches_per_epoch(), step % timetable.batches_per_epoch());
            if in_epoch == 0 && timetable.drops_rest_of_epoch() {
                stepper.drop_gradients();
            }
            // Dropout follows from the seed and the step, so that a resumed run draws what an unbroken one draws.
            let seed = split_mix(settings.training.seed, step as u64) as i64;
            let (task, batches) = feed.next()?;
            let context = timetable.context(step as u64).of_task(self.tasks[task].name.as_ref());
            self.distiller.begin_step(&context)?;
            let trained = libtorch::guarded(|| self.forward_and_backward(task, batches, &context, seed, stepper));
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
            run.tell(&Event::Step(StepEvent {
                step: step as u64,
                global_step: stepper.global_step as u64,
                epoch,
                task: context.task.as_deref().map(str::to_owned),
                lr,
                num_examples,
                skipped,
                losses,
            }))?;
            if !is_optimizer_step {
                continue;
            }
            let due = self.due(settings, timetable, step, stepper.global_step);
            if due.evaluation || due.checkpoint || run.interrupt.load(Ordering::Relaxed) {
                let state = stepper.state(step as u64 + 1, skipped_batches)?;
                match self.after_step(run, due, state)? {
                    Next::Continue => {}
                    next => return Ok(next),
                }
            }
        }
        stepper.check_weights()?;
        Ok(Next::Continue)
    }

    /// What is due after the optimizer step `global_step`, which the forward step `step` ended in.
    fn due(&self, settings: &Settings, timetable: &Timetable, step: usize, global_step: usize) -> Due {
        let epoch = step / timetable.batches_per_epoch();
        let checkpoint = timetable.is_checkpoint(global_step, epoch);
        let evaluation = !self.evaluators.is_empty() && (checkpoint || settings.evaluation.is_due(global_step));
        let next = timetable.context(step as u64 + 1);
        let context = StepContext { epoch: epoch as u64, side: Some(Side::Student), ..next };
        Due { evaluation, checkpoint, is_last: step + 1 == timetable.forward_steps(), context }
    }

    fn saving(&self, settings: &Settings, saved: Vec<Saved>) -> Result<Saving, TrainError> {
        Saving::new(&settings.evaluation, &settings.training.save, &self.evaluators, saved)
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
        let batch = self.tasks[task].prepare(batches, context)?;
        let in_step = |source: crate::Error| {
            let other = |source| -> crate::Error { TrainError::Step { step, source: Box::new(source) }.into() };
            OutOfMemory::or_else(source, format!("step {step}"), described(batch.student()), TRAINING_KEYS, other)
        };
        let loss = libtorch::guarded(|| self.loss(task, &batch, context, seed)).map_err(in_step)?;
        let losses = scalars(&loss, step)?;
        if let Some(found) = libtorch::guarded(|| stepper.backward(&loss.total)).map_err(in_step)? {
            drop(loss);
            return Err(self.blame(task, &batch, context, seed, stepper, &found).into());
        }
        Ok((losses, batch.student().len()))
    }

    fn loss(&mut self, task: usize, batch: &Prepared, context: &StepContext, seed: i64) -> Result<Loss> {
        let adapted = self.tasks[task].adapt(batch, context, Some(seed))?;
        self.tasks[task].verify(self.distiller.as_ref(), batch, &adapted)?;
        let ((student, _), teachers) = adapted.into_features();
        self.distiller.loss(&student, &teachers)
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
