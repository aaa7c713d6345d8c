use std::collections::HashMap;

use tch::Tensor;

use super::gradients::Gradients;
use super::optimizer::{ParameterGroups, TrainedParameter, clip_gradients};
use super::{Schedule, Session, Settings, Timetable, TrainingState};
use crate::Result;

/// The student's parameters and the distiller's own, on their way from gradients to steps.
pub(super) struct Stepper {
    parameters: Vec<TrainedParameter>,
    gradients: Gradients,
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
    pub fn learning_rate(&self) -> f64 {
        self.groups.learning_rate() * self.schedule.factor(self.global_step)
    }

    pub fn backward(&mut self, total: &Tensor) -> Result<()> {
        match self.accumulation {
            1 => self.gradients.add(total, &self.parameters),
            steps => self.gradients.add(&total.f_div_scalar(steps as f64)?, &self.parameters),
        }
    }

    pub fn step(&mut self) -> Result<()> {
        if self.max_grad_norm > 0.0 {
            clip_gradients(&mut self.gradients.sums, self.max_grad_norm)?;
        }
        self.groups.step(&self.gradients.sums, self.schedule.factor(self.global_step))?;
        self.gradients.clear();
        self.global_step += 1;
        Ok(())
    }

    /// The share of optimizer steps done.
    pub fn progress(&self, timetable: &Timetable) -> f64 {
        self.global_step as f64 / timetable.optimizer_steps() as f64
    }

    /// What a run needs to go on from here, after `step` forward steps; no gradient is waiting for its step.
    pub fn state(&self, step: u64, skipped: u64) -> Result<TrainingState> {
        let mut optimizer = HashMap::new();
        for (position, parameter) in self.parameters.iter().enumerate() {
            for (name, tensor) in self.groups.state(position)? {
                optimizer.insert(format!("{}.{name}", parameter.name), tensor);
            }
        }
        Ok(TrainingState { step, global_step: self.global_step as u64, skipped, optimizer })
    }

    /// Goes on from a state; the parameters have its values already.
    pub fn restore(&mut self, state: &TrainingState) -> Result<()> {
        self.global_step = state.global_step as usize;
        for (position, parameter) in self.parameters.iter().enumerate() {
            let find = |name: &str| state.optimizer.get(&format!("{}.{name}", parameter.name));
            self.groups.restore(position, &find)?;
        }
        Ok(())
    }

    /// Forgets the gradients that no step has used.
    pub fn drop_gradients(&mut self) {
        self.gradients.clear();
    }
}
