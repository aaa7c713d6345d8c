//! Optimizers with torch's semantics, names and defaults.

mod adam;
mod adam_kernel;
mod clip;
mod config;
mod sgd;

use serde_json::{Map, Value};
use tch::Tensor;

pub use adam::Adam;
pub use clip::GradientNorms;
pub use config::{AdamConfig, AdamWConfig, OptimizerConfig, SgdConfig};
pub use sgd::Sgd;

use super::TrainError;
use crate::Result;

/// Changes parameters in place by their gradients.
pub trait Optimizer {
    /// One step at `lr_factor` times the configured learning rate. `gradients` are in the order of the parameters that
    /// the optimizer was made with; a parameter without one is left alone, weight decay included.
    fn step(&mut self, gradients: &[Option<Tensor>], lr_factor: f64) -> Result<()>;

    /// What it remembers of a parameter, by torch's names (`step`, `exp_avg`, …); nothing of one that it never stepped.
    fn state(&self, position: usize) -> Result<Vec<(&'static str, Tensor)>>;

    /// Remembers what `find` has under the names of [`Optimizer::state`].
    ///
    /// # Errors
    /// A tensor that is not of the parameter's shape.
    fn restore(&mut self, position: usize, find: &Find<'_>) -> Result<()>;
}

/// Looks a tensor up by the name it has in [`Optimizer::state`].
pub type Find<'a> = dyn Fn(&str) -> Option<&'a Tensor> + 'a;

/// A copy of what a state has of a parameter, where the parameter is.
fn remembered(parameter: &Tensor, name: &str, found: &Tensor) -> Result<Tensor> {
    if found.size() != parameter.size() {
        let (key, found) = (format!("the optimizer's `{name}`"), format!("of shape {:?}", found.size()));
        let expected = format!("the parameter's, {:?}", parameter.size());
        return Err(TrainError::Value { key, found, expected }.into());
    }
    let mut copy = parameter.f_zeros_like()?;
    copy.f_copy_(found)?;
    Ok(copy)
}

/// A parameter to be trained.
#[derive(Debug)]
pub struct TrainedParameter {
    /// Its name in messages and checkpoints.
    pub name: String,
    /// What `no_decay` names it by: a task's name, which `name` may have, is no part of it.
    pub name_in_model: String,
    /// The parameter; a step changes it in place.
    pub tensor: Tensor,
    /// Optimizer options of its own, over those of the experiment.
    pub options: Map<String, Value>,
}

/// All trained parameters, in groups that share their options.
pub struct ParameterGroups {
    groups: Vec<Group>,
}

struct Group {
    config: OptimizerConfig,
    positions: Vec<usize>,
    optimizer: Box<dyn Optimizer>,
}

impl ParameterGroups {
    /// Groups parameters by their options and by whether the experiment's `no_decay` names them.
    ///
    /// # Errors
    /// Options that are not the optimizer's, and a `no_decay` without effect.
    pub fn new(config: &OptimizerConfig, parameters: &[TrainedParameter]) -> Result<Self> {
        let wrong = |found: &str, expected: &str| TrainError::Value {
            key: "optimizer.no_decay".into(),
            found: found.to_owned(),
            expected: expected.into(),
        };
        let is_in_a_name =
            |pattern: &String| parameters.iter().any(|parameter| parameter.name_in_model.contains(pattern));
        if let Some(pattern) = config.no_decay().iter().find(|pattern| !is_in_a_name(pattern)) {
            let expected = "a part of some parameter's name, such as `bias` or `LayerNorm.weight`";
            return Err(wrong(&format!("`{pattern}`"), expected).into());
        }
        let mut decays = false;
        let mut members: Vec<(OptimizerConfig, Vec<usize>)> = vec![];
        for (position, parameter) in parameters.iter().enumerate() {
            let mut own = config.with_options(&parameter.options)?;
            decays |= own.weight_decay() != 0.0;
            if own.exempts_from_decay(&parameter.name_in_model) {
                own.set_weight_decay(0.0);
            }
            match members.iter_mut().find(|(config, _)| *config == own) {
                Some((_, positions)) => positions.push(position),
                None => members.push((own, vec![position])),
            }
        }
        if !decays && !config.no_decay().is_empty() {
            return Err(wrong("given", "none where `weight_decay` is 0").into());
        }
        let groups = members.into_iter().map(|(config, positions)| {
            let tensors = positions.iter().map(|position| parameters[*position].tensor.shallow_clone()).collect();
            Group { optimizer: config.build(tensors), config, positions }
        });
        Ok(Self { groups: groups.collect() })
    }

    /// One step of every group; `gradients` are in the order of the parameters.
    pub fn step(&mut self, gradients: &[Option<Tensor>], lr_factor: f64) -> Result<()> {
        for group in &mut self.groups {
            let own: Vec<_> = group
                .positions
                .iter()
                .map(|position| gradients[*position].as_ref().map(Tensor::shallow_clone))
                .collect();
            group.optimizer.step(&own, lr_factor)?;
        }
        Ok(())
    }

    /// What the optimizer remembers of a parameter.
    pub fn state(&self, position: usize) -> Result<Vec<(&'static str, Tensor)>> {
        match self.place(position) {
            Some((group, place)) => self.groups[group].optimizer.state(place),
            None => Ok(vec![]),
        }
    }

    /// Has the optimizer remember what `find` has of a parameter.
    pub fn restore(&mut self, position: usize, find: &Find<'_>) -> Result<()> {
        match self.place(position) {
            Some((group, place)) => self.groups[group].optimizer.restore(place, find),
            None => Ok(()),
        }
    }

    /// The group of a parameter, and its place there.
    fn place(&self, position: usize) -> Option<(usize, usize)> {
        let places = self.groups.iter().enumerate();
        let mut places = places
            .filter_map(|(index, group)| Some((index, group.positions.iter().position(|other| *other == position)?)));
        places.next()
    }

    /// The optimizer as the experiment names it.
    pub fn name(&self) -> &'static str {
        self.groups.first().map_or("an optimizer", |group| group.config.name())
    }

    /// The first group's configured learning rate.
    pub fn learning_rate(&self) -> f64 {
        self.groups.first().map_or(0.0, |group| group.config.learning_rate())
    }
}
