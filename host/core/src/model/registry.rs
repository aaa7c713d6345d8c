use tch::Device;

use super::ModelError;
use super::bert;
use super::config::ModelConfig;
use super::transformer::Draft;
use crate::Result;

/// Models that share a body: where their parameters stand in a checkpoint and their sizes in a config.
#[derive(Debug)]
pub(super) struct Family {
    /// The config's `model_type`.
    pub model_type: &'static str,
    /// Names of the body's parameters begin with this, if the checkpoint has a head.
    pub body: &'static str,
    /// Names of the parameters of the body that not every class has begin with this.
    pub pooler: &'static str,
    /// Names of a layer's parameters begin with this and the layer's index.
    pub layers: &'static str,
    /// The config's key of the number of layers.
    pub num_layers: &'static str,
    /// The config's other sizes, as the weights show them.
    pub sizes: &'static [Size],
}

/// A key of a config whose value is a dimension of a tensor.
#[derive(Debug)]
pub(super) struct Size {
    pub key: &'static str,
    pub tensor: &'static str,
    pub dim: usize,
}

/// One class of transformers.
pub(super) struct Architecture {
    pub name: &'static str,
    pub family: &'static Family,
    /// Defines the model that the config describes.
    pub draft: fn(&Architecture, &ModelConfig, Device) -> Result<Draft>,
}

/// All that can be loaded. A new class is a line here.
static ARCHITECTURES: [&Architecture; 2] = [&bert::SEQUENCE_CLASSIFICATION, &bert::TOKEN_CLASSIFICATION];

/// The class `name`, if it is supported.
pub(super) fn find(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.into_iter().find(|architecture| architecture.name == name)
}

/// The class to make of a config's checkpoint: `wanted`, or the one that the config names.
pub(super) fn choose(config: &ModelConfig, wanted: Option<&str>) -> Result<&'static Architecture, ModelError> {
    let unsupported = |found| ModelError::UnsupportedArchitecture {
        path: config.path().to_owned(),
        found,
        supported: ARCHITECTURES.iter().map(|architecture| architecture.name).collect(),
    };
    let model_type = config.model_type().unwrap_or("none");
    let Some(name) = wanted.or(config.architecture()) else {
        return Err(unsupported(format!("it names no `architectures` (model_type `{model_type}`)")));
    };
    let Some(architecture) = find(name) else {
        return Err(unsupported(format!("the architecture is {name} (model_type `{model_type}`)")));
    };
    let expected = architecture.family.model_type;
    if model_type != expected {
        return Err(ModelError::OtherFamily {
            path: config.path().to_owned(),
            architecture: architecture.name,
            expected,
            found: model_type.to_owned(),
        });
    }
    Ok(architecture)
}

impl Family {
    /// The name in a model with a head of what a checkpoint calls `name`: spelled as today, below the body's prefix.
    /// `None` for a buffer, which is no parameter.
    pub fn parameter_name(&self, name: &str, is_body: bool) -> Option<String> {
        if name.ends_with("embeddings.position_ids") || name.ends_with("embeddings.token_type_ids") {
            return None;
        }
        // Checkpoints converted from TensorFlow.
        let name = match name.rsplit_once('.') {
            Some((norm, "gamma")) if norm.ends_with("LayerNorm") => format!("{norm}.weight"),
            Some((norm, "beta")) if norm.ends_with("LayerNorm") => format!("{norm}.bias"),
            _ => name.to_owned(),
        };
        Some(if is_body { format!("{}{name}", self.body) } else { name })
    }

    /// The layer that a parameter belongs to.
    pub fn layer_of(&self, name: &str) -> Option<u32> {
        name.strip_prefix(self.layers)?.split_once('.')?.0.parse().ok()
    }

    /// Whether every class of the family has the parameter.
    pub fn is_shared(&self, name: &str) -> bool {
        name.starts_with(self.body) && !name.starts_with(self.pooler)
    }

    /// The parameter of layer `chosen[i]` that becomes the parameter `name` of layer i; other parameters keep theirs.
    pub fn name_in_teacher(&self, name: &str, chosen: &[usize]) -> String {
        let place = name.strip_prefix(self.layers).and_then(|rest| rest.split_once('.'));
        match place.and_then(|(index, rest)| Some((chosen.get(index.parse::<usize>().ok()?)?, rest))) {
            Some((layer, rest)) => format!("{}{layer}.{rest}", self.layers),
            None => name.to_owned(),
        }
    }
}
