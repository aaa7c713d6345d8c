use std::collections::{BTreeSet, HashMap};

use tch::{Device, Kind, Tensor};

use super::gradients::Gradients;
use super::optimizer::{GradientNorms, ParameterGroups, TrainedParameter};
use super::{Schedule, Session, Settings, Timetable, TrainError, TrainingState};
use crate::Result;

/// Gradients whose norm is not finite.
pub(super) struct NotFinite {
    pub norm: f64,
    /// The names of the parameters whose own gradient has such a norm; none if only the norm over all overflows.
    pub parameters: Vec<String>,
    /// Of how many.
    pub num_parameters: usize,
}

/// The student's parameters and the distiller's own, on their way from gradients to steps.
pub(super) struct Stepper {
    parameters: Vec<TrainedParameter>,
    gradients: Gradients,
    /// Of the gradients as they are now.
    norms: Option<GradientNorms>,
    groups: ParameterGroups,
    schedule: Schedule,
    accumulation: usize,
    max_grad_norm: f64,
    /// Optimizer steps done.
    pub global_step: usize,
}

impl Stepper {
    pub fn new(session: &Session, settings: &Settings, timetable: &Timetable) -> Result<Self> {
        let mut parameters = vec![];
        let of_student = session.student.parameters().iter();
        parameters.extend(of_student.map(|(name, tensor)| TrainedParameter {
            name: name.to_owned(),
            name_in_model: session.student.name_in_model(name).to_owned(),
            tensor: tensor.shallow_clone(),
            options: Default::default(),
        }));
        for trained in session.distiller.trained() {
            parameters.extend(trained.parameters.iter().map(|(name, tensor)| {
                let name = format!("{}.{name}", trained.prefix);
                let (tensor, options) = (tensor.shallow_clone(), trained.options.clone());
                TrainedParameter { name_in_model: name.clone(), name, tensor, options }
            }));
        }
        Ok(Self {
            gradients: Gradients::new(parameters.len()),
            norms: None,
            groups: ParameterGroups::new(&settings.optimizer, &parameters)?,
            schedule: settings.schedule.resolve(timetable.optimizer_steps())?,
            accumulation: settings.training.gradient_accumulation_steps,
            max_grad_norm: settings.training.max_grad_norm,
            global_step: 0,
            parameters,
        })
    }

    /// The learning rate of the next optimizer step.
    pub fn learning_rate(&self) -> f64 {
        self.groups.learning_rate() * self.schedule.factor(self.global_step)
    }

    /// Adds the gradient of a batch's loss. Returns what is wrong with the gradients if their norm is not finite; then
    /// no step may follow.
    pub fn backward(&mut self, total: &Tensor) -> Result<Option<NotFinite>> {
        match self.accumulation {
            1 => self.gradients.add(total, &self.parameters)?,
            steps => self.gradients.add(&total.f_div_scalar(steps as f64)?, &self.parameters)?,
        }
        self.norms = GradientNorms::new(&self.gradients.sums)?;
        let Some(norms) = &self.norms else { return Ok(None) };
        let norm = norms.joint()?;
        if norm.is_finite() {
            return Ok(None);
        }
        let with_gradient = self.parameters.iter().zip(&self.gradients.sums).filter(|(_, sum)| sum.is_some());
        let concerned = with_gradient.zip(norms.each()?).filter(|(_, norm)| !norm.is_finite());
        let parameters = concerned.map(|((parameter, _), _)| parameter.name.clone()).collect();
        Ok(Some(NotFinite { norm, parameters, num_parameters: self.parameters.len() }))
    }

    /// The parameters that are trained, in the order of the gradients.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.parameters.iter().map(|parameter| &parameter.tensor)
    }

    pub fn step(&mut self) -> Result<()> {
        if let Some(norms) = self.norms.take().filter(|_| self.max_grad_norm > 0.0) {
            norms.clip(&mut self.gradients.sums, self.max_grad_norm)?;
        }
        self.groups.step(&self.gradients.sums, self.schedule.factor(self.global_step))?;
        self.gradients.clear();
        self.global_step += 1;
        Ok(())
    }

    /// Refuses weights that are not finite numbers, in one transfer from the device.
    pub fn check_weights(&self) -> Result<()> {
        let flags = self.tensors().map(|tensor| tch::no_grad(|| tensor.f_isfinite()?.f_all()));
        let flags = Tensor::f_stack(&flags.collect::<Result<Vec<_>, _>>()?, 0)?.f_to_kind(Kind::Int64)?;
        let flags: Vec<i64> = Vec::try_from(flags.f_to_device(Device::Cpu)?)?;
        match self.parameters.iter().zip(flags).find(|(_, is_finite)| *is_finite == 0) {
            Some((parameter, _)) => {
                let (global_step, parameter) = (self.global_step, parameter.name.clone());
                Err(TrainError::WeightsNotFinite { global_step, parameter }.into())
            }
            None => Ok(()),
        }
    }

    /// What a run needs to resume from here, after `step` forward steps; no gradient is waiting for its step.
    ///
    /// # Errors
    /// If the weights are not finite.
    pub fn state(&self, step: u64, skipped: u64) -> Result<TrainingState> {
        self.check_weights()?;
        let mut optimizer = HashMap::new();
        for (position, parameter) in self.parameters.iter().enumerate() {
            for (name, tensor) in self.groups.state(position)? {
                optimizer.insert(format!("{}.{name}", parameter.name), tensor);
            }
        }
        let global_step = self.global_step as u64;
        Ok(TrainingState { step, global_step, skipped, optimizer, ..TrainingState::default() })
    }

    /// Resumes from a state; the parameters have its values already.
    ///
    /// # Errors
    /// A tensor that is not of its parameter's shape, or of no parameter, or one of several that is missing.
    pub fn restore(&mut self, state: &TrainingState) -> Result<()> {
        self.global_step = state.global_step as usize;
        let mut unused: BTreeSet<&str> = state.optimizer.keys().map(String::as_str).collect();
        for (position, parameter) in self.parameters.iter().enumerate() {
            let find = |name: &str| state.optimizer.get(&format!("{}.{name}", parameter.name));
            self.groups.restore(position, &find)?;
            for (name, _) in self.groups.state(position)? {
                unused.remove(format!("{}.{name}", parameter.name).as_str());
            }
        }
        match unused.first() {
            Some(name) => Err(TrainError::Value {
                key: "the checkpoint's optimizer state".to_owned(),
                found: format!("with `{name}`"),
                expected: format!("only, and all of, what {} remembers of the trained parameters", self.groups.name()),
            }
            .into()),
            None => Ok(()),
        }
    }

    /// Forgets the gradients that no step has used.
    pub fn drop_gradients(&mut self) {
        self.gradients.clear();
        self.norms = None;
    }
}
