//! Optimizers with torch's semantics, names and defaults.

mod adam;
mod adam_kernel;
mod clip;
mod config;
mod sgd;

use serde_json::{Map, Value};
use tch::Tensor;

pub use adam::Adam;
pub use clip::clip_gradients;
pub use config::{AdamConfig, AdamWConfig, OptimizerConfig, SgdConfig};
pub use sgd::Sgd;

use crate::Result;

/// Changes parameters in place by their gradients.
pub trait Optimizer {
    /// One step at `lr_factor` times the configured learning rate. `gradients` are in the order of the parameters that
    /// the optimizer was made with; a parameter without one is left alone, weight decay included.
    fn step(&mut self, gradients: &[Option<Tensor>], lr_factor: f64) -> Result<()>;
}

/// A parameter to be trained.
#[derive(Debug)]
pub struct TrainedParameter {
    pub name: String,
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
    pub fn new(config: &OptimizerConfig, parameters: &[TrainedParameter]) -> Result<Self> {
        let mut members: Vec<(OptimizerConfig, Vec<usize>)> = vec![];
        for (position, parameter) in parameters.iter().enumerate() {
            let mut own = config.with_options(&parameter.options)?;
            if own.exempts_from_decay(&parameter.name) {
                own.set_weight_decay(0.0);
            }
            match members.iter_mut().find(|(config, _)| *config == own) {
                Some((_, positions)) => positions.push(position),
                None => members.push((own, vec![position])),
            }
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

    /// The first group's configured learning rate.
    pub fn learning_rate(&self) -> f64 {
        self.groups.first().map_or(0.0, |group| group.config.learning_rate())
    }
}
