use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::Tensor;

use super::{Adam, Optimizer, Sgd};
use crate::Result;
use crate::train::TrainError;

/// The optimizer, with torch's names and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum OptimizerConfig {
    /// `torch.optim.AdamW`.
    AdamW(AdamWConfig),
    /// `torch.optim.Adam`.
    Adam(AdamConfig),
    /// `torch.optim.SGD`.
    Sgd(SgdConfig),
}

/// `torch.optim.AdamW`: decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// The learning rate, which the schedule multiplies.
    pub lr: f64,
    /// How much of the running means of the gradient and of its square is kept at each step.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// The share of a parameter, times the learning rate, that is taken off at each step.
    pub weight_decay: f64,
    /// Parameters whose name contains one of these have no weight decay, such as `["bias", "LayerNorm.weight"]`.
    pub no_decay: Vec<String>,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, no_decay: vec![] }
    }
}

/// `torch.optim.Adam`: weight decay is added to the gradient (Kingma and Ba, arXiv:1412.6980).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// The learning rate, which the schedule multiplies.
    pub lr: f64,
    /// How much of the running means of the gradient and of its square is kept at each step.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// The share of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Parameters whose name contains one of these have no weight decay.
    pub no_decay: Vec<String>,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, no_decay: vec![] }
    }
}

/// `torch.optim.SGD`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// The learning rate, which the schedule multiplies.
    pub lr: f64,
    /// How much of the running sum of gradients is kept at each step.
    pub momentum: f64,
    /// The share of a gradient that does not go into that sum.
    pub dampening: f64,
    /// The share of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Whether a step looks ahead along the running sum (Nesterov's momentum).
    pub nesterov: bool,
    /// Parameters whose name contains one of these have no weight decay.
    pub no_decay: Vec<String>,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { lr: 1e-3, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, no_decay: vec![] }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::AdamW(AdamWConfig::default())
    }
}

impl OptimizerConfig {
    /// How many numbers the optimizer keeps for each number that it trains.
    pub fn state_per_parameter(&self) -> usize {
        match self {
            Self::AdamW(_) | Self::Adam(_) => 2,
            Self::Sgd(SgdConfig { momentum, .. }) => usize::from(*momentum != 0.0),
        }
    }

    /// Whether every number is one that the optimizer can work with.
    pub fn check(&self, key: &str) -> Result<(), TrainError> {
        let wrong = |option: &str, found: f64, expected: &str| TrainError::Value {
            key: format!("{key}.{option}"),
            found: found.to_string(),
            expected: expected.into(),
        };
        let at_least_zero = |option, value: f64| {
            if value >= 0.0 && value.is_finite() { Ok(()) } else { Err(wrong(option, value, "a number of at least 0")) }
        };
        at_least_zero("lr", self.learning_rate())?;
        match self {
            Self::AdamW(AdamWConfig { betas, eps, weight_decay, .. })
            | Self::Adam(AdamConfig { betas, eps, weight_decay, .. }) => {
                // With 0, a gradient of exactly 0 would be divided by 0: the rows of words that are not in the batch.
                if !(eps.is_finite() && *eps as f32 >= f32::MIN_POSITIVE) {
                    return Err(wrong("eps", *eps, "a positive number, such as 1e-8"));
                }
                at_least_zero("weight_decay", *weight_decay)?;
                for beta in [betas.0, betas.1] {
                    if !(0.0..1.0).contains(&beta) {
                        return Err(wrong("betas", beta, "numbers from 0 to below 1"));
                    }
                }
            }
            Self::Sgd(SgdConfig { momentum, dampening, weight_decay, nesterov, .. }) => {
                at_least_zero("momentum", *momentum)?;
                at_least_zero("weight_decay", *weight_decay)?;
                if *dampening != 0.0 && *momentum == 0.0 {
                    return Err(wrong("dampening", *dampening, "0 without momentum, which it dampens"));
                }
                if *nesterov && (*momentum == 0.0 || *dampening != 0.0) {
                    return Err(wrong("momentum", *momentum, "a momentum above 0 and no dampening with nesterov"));
                }
            }
        }
        Ok(())
    }

    /// The same optimizer with some options replaced.
    pub fn with_options(&self, options: &Map<String, Value>) -> Result<Self, TrainError> {
        if options.is_empty() {
            return Ok(self.clone());
        }
        let options_error = |error| TrainError::Options { options: Value::Object(options.clone()), error };
        let mut all = serde_json::to_value(self).map_err(options_error)?;
        if let Value::Object(all) = &mut all {
            all.extend(options.clone());
        }
        let config: Self = serde_json::from_value(all).map_err(options_error)?;
        config.check("proj")?;
        Ok(config)
    }

    /// The name in the experiment's `optimizer`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AdamW(_) => "adamw",
            Self::Adam(_) => "adam",
            Self::Sgd(_) => "sgd",
        }
    }

    /// The learning rate before the schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::AdamW(config) => config.lr,
            Self::Adam(config) => config.lr,
            Self::Sgd(config) => config.lr,
        }
    }

    pub(super) fn no_decay(&self) -> &[String] {
        match self {
            Self::AdamW(config) => &config.no_decay,
            Self::Adam(config) => &config.no_decay,
            Self::Sgd(config) => &config.no_decay,
        }
    }

    pub(super) fn weight_decay(&self) -> f64 {
        match self {
            Self::AdamW(config) => config.weight_decay,
            Self::Adam(config) => config.weight_decay,
            Self::Sgd(config) => config.weight_decay,
        }
    }

    pub(super) fn exempts_from_decay(&self, name: &str) -> bool {
        self.no_decay().iter().any(|pattern| name.contains(pattern.as_str()))
    }

    pub(super) fn set_weight_decay(&mut self, decay: f64) {
        match self {
            Self::AdamW(config) => config.weight_decay = decay,
            Self::Adam(config) => config.weight_decay = decay,
            Self::Sgd(config) => config.weight_decay = decay,
        }
    }

    pub(super) fn build(&self, parameters: Vec<Tensor>) -> Box<dyn Optimizer> {
        match self {
            Self::AdamW(config) => Box::new(Adam::decoupled(config, parameters)),
            Self::Adam(config) => Box::new(Adam::new(config, parameters)),
            Self::Sgd(config) => Box::new(Sgd::new(config, parameters)),
        }
    }
}
