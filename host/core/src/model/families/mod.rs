//! The families of models that can be loaded, a file each. A new family is its file and its line in `FAMILIES`.

mod albert;
mod bert;
mod deberta;
mod distilbert;
mod electra;
mod modernbert;
mod mpnet;
mod roberta;

use serde::de::DeserializeOwned;
use tch::Tensor;

use super::builder::Builder;
use super::heads::Head;
use super::huggingface::ModelConfig;
use super::inputs::Inputs;
use super::{ModelError, ModelSpec, Pass};
use crate::{Result, Task};

/// The classes of each family.
static FAMILIES: [&[Architecture]; 8] = [
    &bert::ARCHITECTURES,
    &roberta::ARCHITECTURES,
    &distilbert::ARCHITECTURES,
    &electra::ARCHITECTURES,
    &albert::ARCHITECTURES,
    &mpnet::ARCHITECTURES,
    &deberta::ARCHITECTURES,
    &modernbert::ARCHITECTURES,
];

/// Models that share a body: where their parameters stand in a checkpoint and their sizes in a config.
#[derive(Debug)]
pub(super) struct Family {
    /// The config's `model_type`.
    pub model_type: &'static str,
    /// Names of the body's parameters begin with this, if the checkpoint has a head.
    pub body: &'static str,
    /// Names of the parameters that not every class has, and that are as good below another head, begin with this.
    pub pooler: &'static str,
    /// Names of tensors that old checkpoints have besides, and that no class of the family here has a use for, begin with
    /// one of these.
    pub unused: &'static [&'static str],
    /// Names of a layer's parameters begin with this and the layer's index; `None` where all layers share theirs.
    pub layers: Option<&'static str>,
    /// The config's key of the number of layers.
    pub num_layers: &'static str,
    /// What the config's `layer_types` has for the layer at an index; `None` where all layers are of one kind.
    pub layer_type: Option<LayerTypeOf>,
    /// The config's other sizes, as the weights show them.
    pub sizes: &'static [Size],
}

/// Reads the kind of the layer at an index from a config.
pub(super) type LayerTypeOf = fn(&ModelConfig, usize) -> Result<&'static str, ModelError>;

/// A key of a config whose value is a dimension of a tensor.
#[derive(Debug)]
pub(super) struct Size {
    pub key: &'static str,
    pub tensor: &'static str,
    pub dim: usize,
}

/// One class of transformers.
#[derive(Debug)]
pub(super) struct Architecture {
    pub name: &'static str,
    pub family: &'static Family,
    /// Defines the model that the config describes.
    pub build: fn(&ModelConfig, &mut Builder) -> Result<Network>,
}

/// A model that is defined but whose parameters hold no values yet.
pub(super) struct Network {
    /// All but the name of the class.
    pub spec: ModelSpec,
    pub body: Box<dyn Body>,
    pub head: Head,
}

/// A stack of layers with embeddings below: all of a model but its head.
pub(super) trait Body {
    /// The last layer's output, `[batch, length, hidden]`; `None` where the pass does not need it.
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>>;
}

/// The class `name`, if it is supported.
pub(super) fn find(name: &str) -> Option<&'static Architecture> {
    architectures().find(|architecture| architecture.name == name)
}

/// The class to make of a config's checkpoint: `wanted`, or the one that the config names.
pub(super) fn choose(config: &ModelConfig, wanted: Option<&str>) -> Result<&'static Architecture, ModelError> {
    let unsupported = |found| ModelError::UnsupportedArchitecture {
        path: config.path().to_owned(),
        found,
        supported: architectures().map(|architecture| architecture.name).collect(),
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

/// The class for what a task predicts of the family whose `model_type` is given, if there is one.
pub(super) fn for_task(model_type: &str, task: &Task) -> Option<&'static Architecture> {
    let head = match task {
        Task::SingleLabel { .. } | Task::MultiLabel { .. } | Task::Regression { .. } => "ForSequenceClassification",
        Task::TokenLabels { .. } => "ForTokenClassification",
        Task::Spans => "ForQuestionAnswering",
        Task::MaskedLm { .. } => "ForMaskedLM",
    };
    architectures()
        .find(|architecture| architecture.family.model_type == model_type && architecture.name.ends_with(head))
}

fn architectures() -> impl Iterator<Item = &'static Architecture> {
    FAMILIES.into_iter().flatten()
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

    /// Makes the config that of a model of the layers `chosen`, by their indices.
    pub fn choose_layers(&self, config: &mut ModelConfig, chosen: &[usize]) -> Result<(), ModelError> {
        if let Some(layer_type) = self.layer_type {
            let types = chosen.iter().map(|&layer| layer_type(config, layer)).collect::<Result<Vec<_>, _>>()?;
            config.set("layer_types", types);
        }
        config.set(self.num_layers, chosen.len());
        Ok(())
    }

    /// The layer that a parameter belongs to.
    pub fn layer_of(&self, name: &str) -> Option<u32> {
        name.strip_prefix(self.layers?)?.split_once('.')?.0.parse().ok()
    }

    /// Whether the parameter is the body's or a pooler's, and so as good below another head.
    pub fn is_below_head(&self, name: &str) -> bool {
        name.starts_with(self.body) || name.starts_with(self.pooler)
    }

    /// Whether every class of the family has the parameter.
    pub fn is_shared(&self, name: &str) -> bool {
        name.starts_with(self.body) && !name.starts_with(self.pooler)
    }

    /// The parameter of layer `chosen[i]` that becomes the parameter `name` of layer i; other parameters keep theirs.
    pub fn name_in_teacher(&self, name: &str, chosen: &[usize]) -> String {
        let in_teacher = || {
            let layers = self.layers?;
            let (index, rest) = name.strip_prefix(layers)?.split_once('.')?;
            let layer = chosen.get(index.parse::<usize>().ok()?)?;
            Some(format!("{layers}{layer}.{rest}"))
        };
        in_teacher().unwrap_or_else(|| name.to_owned())
    }
}

/// What transformers fills in for keys that a config lacks, where the families have it alike.
mod defaults {
    use crate::model::layers::Activation;

    pub fn activation() -> Activation {
        Activation::Gelu
    }

    pub fn dropout() -> f64 {
        0.1
    }

    pub fn positions() -> i64 {
        512
    }

    pub fn initializer_range() -> f64 {
        0.02
    }

    pub fn layer_norm_eps() -> f64 {
        1e-12
    }

    pub fn padding() -> Option<i64> {
        Some(0)
    }
}

/// The keys that a family reads of its config, checked.
fn checked<T: DeserializeOwned>(
    config: &ModelConfig,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Result<T, ModelError> {
    let keys = config.parse()?;
    check(&keys).map_err(|reason| config.invalid(reason))?;
    Ok(keys)
}

/// The largest size of a config. A family computes with a few times a size, which is an `i64` then, too; whether memory
/// holds a model of such sizes is another question, which comes later.
const MAX_SIZE: i64 = 1 << 60;

/// Whether each size, which stands at its key, is 1 to [`MAX_SIZE`].
fn check_sizes(sizes: &[(&str, i64)]) -> Result<(), String> {
    match sizes.iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
        Some((key, size)) if *size < 1 => Err(format!("`{key}` is {size}; expected 1 or more")),
        Some((key, size)) => Err(format!("`{key}` is {size}; expected at most {MAX_SIZE}")),
        None => Ok(()),
    }
}

/// Whether a hidden size can be split into attention heads.
fn check_heads((size_key, size): (&str, i64), (heads_key, heads): (&str, i64)) -> Result<(), String> {
    match size % heads {
        0 => Ok(()),
        _ => Err(format!("`{size_key}` {size} is not a multiple of `{heads_key}` {heads}")),
    }
}

/// Whether each probability of dropout that is given is one.
fn check_probabilities(probabilities: &[(&str, Option<f64>)]) -> Result<(), String> {
    for (key, probability) in probabilities {
        if let Some(probability) = probability.filter(|probability| !(0.0..1.0).contains(probability)) {
            return Err(format!("`{key}` is {probability}; expected 0 or more and less than 1"));
        }
    }
    Ok(())
}

/// Whether each number is at least 0.
fn check_not_negative(numbers: &[(&str, f64)]) -> Result<(), String> {
    match numbers.iter().find(|(_, number)| *number < 0.0) {
        Some((key, number)) => Err(format!("`{key}` is {number}; expected 0 or more")),
        None => Ok(()),
    }
}

/// Whether the padding token, if there is one, is in the vocabulary.
fn check_padding(pad_token_id: Option<i64>, vocab_size: i64) -> Result<(), String> {
    match pad_token_id.filter(|id| !(0..vocab_size).contains(id)) {
        Some(id) => Err(format!("`pad_token_id` is {id}; the vocabulary has 0 to {}", vocab_size - 1)),
        None => Ok(()),
    }
}
