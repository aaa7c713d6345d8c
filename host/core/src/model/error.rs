use std::path::{Path, PathBuf};

use super::huggingface::Mismatch;
use crate::Fault;
use crate::error::os_reason;

/// What is wrong with a model's folder or with what a model was given.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum ModelError {
    #[error("cannot read {}: {}", path.display(), os_reason(source))]
    Read { path: PathBuf, source: std::io::Error },

    #[error("cannot write {}: {}; no half-written file was left there", path.display(), os_reason(source))]
    Write { path: PathBuf, source: std::io::Error },

    #[error("there is no folder {}; {}", folder.display(), download(folder))]
    NoFolder { folder: PathBuf },

    #[error(
        "{} has no config.json; name a model folder as `save_pretrained` of transformers writes it: config.json beside \
         model.safetensors",
        folder.display()
    )]
    NoConfig { folder: PathBuf },

    /// A `config.json` that is no JSON, or in which a key is missing, of the wrong type or of an unsupported value.
    #[error("{}: {reason}", path.display())]
    Config { path: PathBuf, reason: String },

    #[error("{} has neither model.safetensors nor pytorch_model.bin, nor the index of either (model.safetensors.index.json){hint}", folder.display())]
    NoWeights { folder: PathBuf, hint: String },

    /// A weights file that is damaged or of a kind that is not supported.
    #[error("{}: {reason}", path.display())]
    Weights { path: PathBuf, reason: String },

    #[error(
        "{}: {found}, which is not supported; supported are {}. Name one of them as `architecture` if the \
         checkpoint's body is one of theirs",
        path.display(),
        supported.join(", ")
    )]
    UnsupportedArchitecture { path: PathBuf, found: String, supported: Vec<&'static str> },

    #[error(
        "{architecture} is made of a checkpoint of model_type `{expected}`, but {} is of `{found}`",
        path.display()
    )]
    OtherFamily { path: PathBuf, architecture: &'static str, expected: &'static str, found: String },

    #[error(
        "{} has no classes, and {architecture} needs them: name its `labels`",
        path.display()
    )]
    NoLabels { path: PathBuf, architecture: &'static str },

    /// Labels that would only rename the classes that a head was trained for.
    #[error(
        "{}: its head was trained for the classes {own}, and `labels` names others: {wanted}. Remove `labels`, or change \
         the names in `id2label` if the classes are the same ones in this order",
        path.display()
    )]
    TrainedHead { path: PathBuf, own: String, wanted: String },

    #[error("labels {labels:?}: {reason}")]
    Labels { labels: Vec<String>, reason: &'static str },

    /// A checkpoint whose tensors are not those of the model that its `config.json` describes.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),

    /// Names of one parameter under which a checkpoint has two.
    #[error(
        "the weights in {} differ under `{}` and `{}`, which are one parameter of the model. If they are two, say so by \
         `\"tie_word_embeddings\": false` in config.json",
        folder.display(),
        names.0,
        names.1
    )]
    Untied { folder: PathBuf, names: (String, String) },

    #[error("the model that the student is made of has no layer {layer}: it has {num_layers}, 0 to {}", num_layers - 1)]
    NoSuchLayer { layer: usize, num_layers: usize },

    #[error("no layers were chosen for the student; name at least one of the teacher's {num_layers}, 0 to {}", num_layers - 1)]
    NoLayers { num_layers: usize },

    #[error(
        "a student cannot be made from layers of {architecture}: its layers are not known by name. Give the student's \
         own checkpoint or config.json instead"
    )]
    UnnamedLayers { architecture: String },

    /// A kind of head that the student's family does not have here.
    #[error(
        "{architecture} cannot be given a head for {task}: of its family no class for that is supported; take a student \
         of another family"
    )]
    NoHead { architecture: String, task: String },

    /// Models of one student that should share a body and do not.
    #[error(
        "the weights in {} differ from those in {} in `{name}`, which a student with heads by task shares; take both \
         folders from one student",
        folder.display(),
        first.display()
    )]
    OtherBody { folder: PathBuf, first: PathBuf, name: String },

    /// A student with heads by task that was asked for another task's.
    #[error("the student has a head for each of the tasks {}, and none for {task}; name one of these", known.join(", "))]
    NoHeadOfTask { task: String, known: Vec<String> },

    #[error("the batch has no `{name}`; the model needs {expected}")]
    NoInput { name: &'static str, expected: &'static str },

    /// A parameter that cannot be written as what it is.
    #[error("the parameter `{name}` is {found:?} and weights are written as float32; convert it before it is saved")]
    ParameterKind { name: String, found: tch::Kind },

    /// A tensor of the batch of another shape, kind, range or place than the model takes.
    #[error("the batch's `{name}` is {found}; the model takes {expected}")]
    Input { name: &'static str, found: String, expected: String },
}

/// How a model of the Hugging Face hub becomes the folder that is missing. A name may have an owner before it.
fn download(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let owner = folder.parent().filter(|owner| !owner.exists()).and_then(Path::file_name);
    let name = owner.map_or(name.to_string(), |owner| format!("{}/{name}", owner.to_string_lossy()));
    format!(
        "name a model's folder. If it is a model of the Hugging Face hub, fetch it first: hf download {name} --local-dir {}",
        folder.display()
    )
}

impl ModelError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            ModelError::Write { .. } | ModelError::ParameterKind { .. } => Fault::Run,
            _ => Fault::Input,
        }
    }
}
