//! The ways to make a model: from a checkpoint, from a config alone, from another model's layers.

use std::path::Path;

use tch::Device;

use super::families::{self, Architecture};
use super::huggingface::{Checkpoint, DEFAULT_LABELS, Filled, ModelConfig, PROBLEM_TYPE, fill};
use super::pretrained::{Draft, Pretrained};
use super::{Model, ModelError};
use crate::Result;
use crate::classes::{are_default, listed};

/// What to make of a checkpoint or a config.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where its parameters are put.
    pub device: Device,
    /// The class to make, such as `BertForSequenceClassification`; by default the one that `config.json` names.
    pub architecture: Option<String>,
    /// The names of the classes; by default those of `config.json`.
    pub labels: Option<Vec<String>>,
    /// The `problem_type` of a config that names none: what a head over whole examples is trained for.
    pub problem_type: Option<String>,
    /// Whether the parameters collect gradients: a student's do, a teacher's do not.
    pub trainable: bool,
}

impl LoadOptions {
    /// The model as its folder has it, only to be run.
    pub fn frozen(device: Device) -> Self {
        Self { device, architecture: None, labels: None, problem_type: None, trainable: false }
    }
}

/// A model made of a checkpoint.
pub struct Loaded {
    /// The model, on its device.
    pub model: Box<dyn Model>,
    /// Parameters that the checkpoint does not have, initialized at random: those of a new head.
    pub new: Vec<String>,
    /// Tensors of the checkpoint that the model has no place for: those of another head.
    pub left_out: Vec<String>,
}

/// Loads a model from a folder in Hugging Face layout.
///
/// Where `options` name another class than the checkpoint's, or another number of labels, the checkpoint's body is
/// taken and gets a new head: normal with the config's `initializer_range`, biases zero, from torch's default
/// generator. Weights of any floating-point type become float32.
///
/// # Errors
///
/// Besides files that cannot be read: a class that is not supported (the message lists those that are), labels that would
/// rename the classes of a trained head, and weights that are not those that `config.json` describes
/// ([`Mismatch`](super::Mismatch)). The weights' own shapes are compared with the config's sizes before anything is
/// allocated.
pub fn load(folder: &Path, options: &LoadOptions) -> Result<Loaded> {
    let mut config = ModelConfig::read_folder(folder)?;
    let architecture = families::choose(&config, options.architecture.as_deref())?;
    let checkpoint = Checkpoint::open(folder, architecture.family)?;
    checkpoint.check_sizes(&config, architecture.family)?;
    let is_other_class = config.architecture().map_or(checkpoint.is_body(), |name| name != architecture.name);
    let own_labels = config.labels()?;
    if !is_other_class
        && let (Some(own), Some(wanted)) = (&own_labels, &options.labels)
        && (own.len() == wanted.len() && own != wanted && !are_default(own))
    {
        let (path, own, wanted) = (config.path().to_owned(), listed(own), listed(wanted));
        return Err(ModelError::TrainedHead { path, own, wanted }.into());
    }
    let draft = draft(architecture, &mut config, options)?;
    // transformers leaves two unnamed classes out of a classifier's config; a body's has none because it has none.
    let names_no_classes = own_labels.is_none() && options.labels.is_none();
    if is_other_class && names_no_classes && !draft.spec.task.labels().is_empty() {
        let path = config.path().to_owned();
        return Err(ModelError::NoLabels { path, architecture: architecture.name }.into());
    }
    let num_labels = draft.spec.task.labels().len();
    let is_other_count = num_labels > 0 && num_labels != own_labels.map_or(DEFAULT_LABELS.len(), |labels| labels.len());
    let Filled { new, left_out } = fill(&draft.unfilled, &checkpoint, architecture, is_other_class || is_other_count)?;
    let model = Box::new(Pretrained::new(draft, config, options.device, options.trainable)?);
    Ok(Loaded { model, new, left_out })
}

/// Makes the model that a `config.json` describes, with random weights as transformers initializes them, from torch's
/// default generator. A config without `model_type` is of the family of the class that `options` name.
///
/// # Errors
///
/// As [`load`], without those of weights.
pub fn from_config(file: &Path, options: &LoadOptions) -> Result<Box<dyn Model>> {
    let mut config = ModelConfig::read(file)?;
    if let (None, Some(wanted)) = (config.model_type(), options.architecture.as_deref().and_then(families::find)) {
        config.set("model_type", wanted.family.model_type);
    }
    let architecture = families::choose(&config, options.architecture.as_deref())?;
    let draft = draft(architecture, &mut config, options)?;
    for (name, _) in draft.unfilled.parameters().iter() {
        draft.unfilled.initialize(name)?;
    }
    Ok(Box::new(Pretrained::new(draft, config, options.device, options.trainable)?))
}

/// Makes a student of a teacher: copies of its embeddings, its pooler and its head, and of the layers named, in that
/// order. It is trainable and lies on the teacher's device.
///
/// # Errors
///
/// A layer that the teacher does not have, no layers at all, or a teacher that was not loaded from Hugging Face layout
/// (its layers have no names).
pub fn from_layers(teacher: &dyn Model, layers: &[usize]) -> Result<Box<dyn Model>> {
    let spec = teacher.spec();
    let (Some(architecture), Some(config), Some(num_layers)) =
        (families::find(&spec.architecture), teacher.config(), spec.num_layers)
    else {
        return Err(ModelError::UnnamedLayers { architecture: spec.architecture.clone() }.into());
    };
    if layers.is_empty() {
        return Err(ModelError::NoLayers { num_layers }.into());
    }
    if let Some(&layer) = layers.iter().find(|&&layer| layer >= num_layers) {
        return Err(ModelError::NoSuchLayer { layer, num_layers }.into());
    }
    let family = architecture.family;
    let mut config = config.clone();
    config.set(family.num_layers, layers.len());
    let device = teacher.device();
    let draft = Draft::new(architecture, &config, device)?;
    tch::no_grad(|| -> Result<()> {
        for (name, tensor) in draft.unfilled.parameters().iter() {
            if let Some(source) = teacher.parameters().get(&family.name_in_teacher(name, layers)) {
                tensor.shallow_clone().f_copy_(source)?;
            }
        }
        Ok(())
    })?;
    Ok(Box::new(Pretrained::new(draft, config, device, true)?))
}

/// Defines the model that `config` describes once it says what `options` ask for.
fn draft(architecture: &Architecture, config: &mut ModelConfig, options: &LoadOptions) -> Result<Draft> {
    config.set_architecture(architecture.name);
    if let Some(labels) = &options.labels {
        config.set_labels(labels)?;
    }
    if let (Some(problem), None) = (&options.problem_type, config.problem_type()) {
        config.set(PROBLEM_TYPE, problem.as_str());
    }
    Draft::new(architecture, config, options.device)
}
