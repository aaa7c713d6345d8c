use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Kind, Tensor};

use super::gradients::Gradients;
use super::optimizer::{OptimizerConfig, ParameterGroups, TrainedParameter, clip_gradients};
use super::{
    Branch, CheckpointReport, Observer, RunFolder, Schedule, ScheduleConfig, StepReport, Timetable, TrainError,
    TrainingConfig,
};
use crate::callback::{Action, Scalars};
use crate::data::Loader;
use crate::distiller::Distiller;
use crate::loss::{Loss, Side, Term};
use crate::model::Mode;
use crate::{AdaptContext, Batch, BatchPostprocessor, Callback, Features, Result, Role};

/// All that a run trains with.
pub struct Session {
    pub student: Branch,
    /// In the order of the experiment; none for the trainer.
    pub teachers: Vec<Branch>,
    pub distiller: Box<dyn Distiller>,
    pub postprocessor: Option<Box<dyn BatchPostprocessor>>,
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
}

/// What the check before step 0 found.
#[derive(Debug)]
pub struct Checked {
    /// The summands of the loss.
    pub terms: Vec<Term>,
    /// What each model's adaptor returned: the role, and the features by key.
    pub features: Vec<(Role, Vec<(&'static str, String)>)>,
    /// The parts of the loss of the first batch, without dropout.
    pub losses: Scalars,
}

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
    /// The check before step 0: one batch through everything, every feature verified, nothing trained. Afterwards the
    /// models compute only what was used.
    pub fn check(&mut self, batch: Batch) -> Result<Checked> {
        let batch = self.prepare(batch, 0)?;
        let batch_size = batch.len();
        let (student, student_outputs) = self.student.features(&batch, 0, Mode::Eval)?;
        let mut teachers = vec![];
        for teacher in &mut self.teachers {
            teachers.push(teacher.features(&batch, 0, Mode::Eval)?);
        }
        let labels: Vec<String> = self.teachers.iter().map(|teacher| teacher.role.to_string()).collect();
        let student_side =
            Side { adaptor: self.student.adaptor.name(), label: "student", features: &student, batch_size };
        let branches = self.teachers.iter().zip(&labels).zip(&teachers);
        let teacher_sides: Vec<Side<'_>> = branches
            .map(|((branch, label), (features, _))| Side {
                adaptor: branch.adaptor.name(),
                label,
                features,
                batch_size,
            })
            .collect();
        self.distiller.check(&student_side, &teacher_sides)?;

        for used in self.distiller.used_layers(&student, Role::Student) {
            student_outputs.record_use(used);
        }
        for (branch, (features, outputs)) in self.teachers.iter_mut().zip(&teachers) {
            for used in self.distiller.used_layers(features, branch.role) {
                outputs.record_use(used);
            }
            branch.narrow(outputs);
        }
        self.student.narrow(&student_outputs);

        let teachers: Vec<Features> = teachers.into_iter().map(|(features, _)| features).collect();
        let roles = self.teachers.iter().map(|branch| branch.role).chain([Role::Student]);
        let features = roles.zip(teachers.iter().chain([&student]).map(Features::summary)).collect();
        let loss = self.distiller.loss(&student, &teachers)?;
        if !loss.total.requires_grad() {
            return Err(TrainError::NoGradient { adaptor: self.student.adaptor.name().to_owned() }.into());
        }
        Ok(Checked { terms: self.distiller.terms(&student, &teachers), features, losses: scalars(&loss, 0)? })
    }

    /// Whether optimizer and schedule can be made of the settings. Training makes them anew.
    pub fn check_settings(&self, settings: &Settings, timetable: &Timetable) -> Result<()> {
        Stepper::new(self, settings, timetable).map(drop)
    }

    /// Trains the student. `check` must have passed. A raised `interrupt` ends the run after the current step.
    pub fn train(
        &mut self,
        settings: &Settings,
        loader: &Loader,
        folder: &RunFolder,
        observers: &mut [&mut dyn Observer],
        interrupt: &AtomicBool,
    ) -> Result<Outcome> {
        let timetable = Timetable::new(&settings.training, loader.len())?;
        let mut stepper = Stepper::new(self, settings, &timetable)?;
        for observer in &mut *observers {
            observer.on_start(&timetable)?;
        }
        let mut step = 0;
        for epoch in 0..timetable.epochs() {
            if timetable.drops_rest_of_epoch() {
                stepper.gradients.clear();
            }
            for (in_epoch, batch) in loader.epoch(epoch as u64).enumerate() {
                let batch = self.prepare(batch?, step as u64)?;
                let losses = self.forward_and_backward(&batch, step as u64, &mut stepper)?;
                let is_optimizer_step = timetable.is_optimizer_step(in_epoch, step);
                let lr = stepper.learning_rate();
                if is_optimizer_step {
                    stepper.step()?;
                    self.distiller.advance(stepper.global_step as f64 / timetable.optimizer_steps() as f64)?;
                }
                let report = StepReport {
                    step: step as u64,
                    global_step: stepper.global_step as u64,
                    epoch,
                    lr,
                    num_examples: batch.len(),
                    losses,
                };
                for observer in &mut *observers {
                    observer.on_step(&report)?;
                }
                let is_checkpoint = is_optimizer_step && timetable.is_checkpoint(stepper.global_step, epoch);
                if is_checkpoint && self.checkpoint(&report, folder, observers)? == Action::Stop {
                    return Ok(Outcome::Stopped { global_step: report.global_step });
                }
                if interrupt.load(Ordering::Relaxed) {
                    return Ok(Outcome::Interrupted { global_step: report.global_step });
                }
                step += 1;
                if step == timetable.forward_steps() {
                    break;
                }
            }
        }
        Ok(Outcome::Finished)
    }

    /// The batch on the device, after the post-processor.
    fn prepare(&mut self, batch: Batch, step: u64) -> Result<Batch> {
        let batch = batch.to_device(self.device)?;
        match &mut self.postprocessor {
            Some(postprocessor) => {
                postprocessor.process(&AdaptContext { role: Role::Student, task: None, step }, batch)
            }
            None => Ok(batch),
        }
    }

    fn forward_and_backward(&mut self, batch: &Batch, step: u64, stepper: &mut Stepper) -> Result<Scalars> {
        let in_step = |source: crate::Error| TrainError::Step { step, source: Box::new(source) };
        let loss = self.loss(batch, step).map_err(in_step)?;
        let losses = scalars(&loss, step)?;
        stepper.backward(&loss.total).map_err(in_step)?;
        Ok(losses)
    }

    fn loss(&mut self, batch: &Batch, step: u64) -> Result<Loss> {
        let mut teachers = vec![];
        for teacher in &mut self.teachers {
            teachers.push(teacher.features(batch, step, Mode::Eval)?.0);
        }
        let (student, _) = self.student.features(batch, step, Mode::Train)?;
        self.distiller.loss(&student, &teachers)
    }

    fn checkpoint(
        &mut self,
        report: &StepReport,
        folder: &RunFolder,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Action> {
        let model = self.student.model.as_ref();
        folder.save_checkpoint(report.global_step, model, &self.distiller.trained())?;
        let mut scalars = Scalars::new();
        let mut action = Action::Continue;
        for callback in &mut self.callbacks {
            if callback.on_checkpoint(model, report.global_step, &mut scalars)? == Action::Stop {
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

/// The student's parameters and the distiller's own, on their way from gradients to steps.
struct Stepper {
    parameters: Vec<TrainedParameter>,
    gradients: Gradients,
    groups: ParameterGroups,
    schedule: Schedule,
    accumulation: usize,
    max_grad_norm: f64,
    global_step: usize,
}

impl Stepper {
    fn new(session: &Session, settings: &Settings, timetable: &Timetable) -> Result<Self> {
        let mut parameters = vec![];
        let of_student = session.student.model.parameters().iter();
        parameters.extend(of_student.map(|(name, tensor)| TrainedParameter {
            name: name.to_owned(),
            tensor: tensor.shallow_clone(),
            options: Default::default(),
        }));
        for trained in session.distiller.trained() {
            parameters.extend(trained.parameters.iter().map(|(name, tensor)| TrainedParameter {
                name: format!("{}.{name}", trained.prefix),
                tensor: tensor.shallow_clone(),
                options: trained.options.clone(),
            }));
        }
        Ok(Self {
            gradients: Gradients::new(parameters.len()),
            groups: ParameterGroups::new(&settings.optimizer, &parameters)?,
            schedule: settings.schedule.resolve(timetable.optimizer_steps())?,
            accumulation: settings.training.gradient_accumulation_steps,
            max_grad_norm: settings.training.max_grad_norm,
            global_step: 0,
            parameters,
        })
    }

    /// The learning rate of the next optimizer step.
    fn learning_rate(&self) -> f64 {
        self.groups.learning_rate() * self.schedule.factor(self.global_step)
    }

    fn backward(&mut self, total: &Tensor) -> Result<()> {
        match self.accumulation {
            1 => self.gradients.add(total, &self.parameters),
            steps => self.gradients.add(&total.f_div_scalar(steps as f64)?, &self.parameters),
        }
    }

    fn step(&mut self) -> Result<()> {
        if self.max_grad_norm > 0.0 {
            clip_gradients(&mut self.gradients.sums, self.max_grad_norm)?;
        }
        self.groups.step(&self.gradients.sums, self.schedule.factor(self.global_step))?;
        self.gradients.clear();
        self.global_step += 1;
        Ok(())
    }
}

/// The numbers of a loss, in one transfer from the device. A number that is not finite is an error, before any
/// gradient is computed from it.
fn scalars(loss: &Loss, step: u64) -> Result<Scalars> {
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
