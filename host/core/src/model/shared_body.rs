//! Models that share a body: each puts a head of its own on the same parameters.

use std::path::{Path, PathBuf};

use tch::Device;

use super::families::{self, Architecture};
use super::huggingface::ModelConfig;
use super::pretrained::{Draft, Pretrained};
use super::{Model, ModelError, Parameters};
use crate::{Result, Task};

/// The body of a model. All models that are made of it are trainable and lie on its device.
pub struct SharedBody {
    architecture: &'static Architecture,
    config: ModelConfig,
    device: Device,
    /// Those whose names begin as the family's body does. A pooler that the first model lacks is that of the first one
    /// that has one.
    parameters: Parameters,
}

/// A model on a shared body, and the names of its parameters that were initialized at random.
pub struct WithNewHead {
    /// The model: this body, and the head.
    pub model: Box<dyn Model>,
    /// The parameters of the head that nothing was read for, by name.
    pub new: Vec<String>,
}

/// The class under which to load a model whose body alone is wanted: that for what `task` predicts, where `config` names none
/// that is supported. `None` where it names one, and where its family has no such class.
pub fn class_of_body(config: &ModelConfig, task: &Task) -> Option<&'static str> {
    match config.architecture().and_then(families::find) {
        Some(_) => None,
        None => families::for_task(config.model_type()?, task).map(|architecture| architecture.name),
    }
}

impl SharedBody {
    /// The body of `model`, whose parameters become those of all models made of it.
    ///
    /// # Errors
    /// A model that was not loaded from Hugging Face layout: which of its parameters are its head's is not known.
    pub fn of(model: &dyn Model) -> Result<Self> {
        let spec = model.spec();
        let (Some(architecture), Some(config)) = (families::find(&spec.architecture), model.config()) else {
            let task = spec.task.to_string();
            return Err(ModelError::NoHead { architecture: spec.architecture.clone(), task }.into());
        };
        let mut body =
            Self { architecture, config: config.clone(), device: model.device(), parameters: Parameters::new() };
        body.extend(model.parameters());
        Ok(body)
    }

    /// The parameters that models share.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// `model` on this body, with a copy of its head. `folders` are where it and the body come from.
    ///
    /// # Errors
    /// A model whose body has other values.
    pub fn with_head_of(&mut self, model: &dyn Model, folders: [&Path; 2]) -> Result<Box<dyn Model>> {
        let spec = model.spec();
        let (Some(architecture), Some(config)) = (families::find(&spec.architecture), model.config()) else {
            return Err(self.no_head(&spec.task).into());
        };
        for (name, own) in model.parameters().iter() {
            let Some(shared) = self.parameters.get(name) else { continue };
            if own.size() != shared.size() || !own.f_equal(shared)? {
                let [folder, first] = folders.map(PathBuf::from);
                return Err(ModelError::OtherBody { folder, first, name: name.to_owned() }.into());
            }
        }
        let draft = Draft::sharing(architecture, config, self.device, self.handles())?;
        for (name, tensor) in draft.unfilled.parameters().iter() {
            if self.parameters.get(name).is_none()
                && let Some(source) = model.parameters().get(name)
            {
                tch::no_grad(|| tensor.shallow_clone().f_copy_(source))?;
            }
        }
        self.finish(draft, config.clone())
    }

    /// A model of this body for what a task predicts. Its head is initialized at random from torch's default generator.
    ///
    /// # Errors
    /// A task for which the family has no class.
    pub fn with_new_head(&mut self, task: &Task) -> Result<WithNewHead> {
        let architecture =
            families::for_task(self.architecture.family.model_type, task).ok_or_else(|| self.no_head(task))?;
        let mut config = self.config.clone();
        config.set_architecture(architecture.name);
        config.set_task(task)?;
        let draft = Draft::sharing(architecture, &config, self.device, self.handles())?;
        let mut new = vec![];
        for (name, _) in draft.unfilled.parameters().iter() {
            if self.parameters.get(name).is_none() {
                draft.unfilled.initialize(name)?;
                new.push(name.to_owned());
            }
        }
        Ok(WithNewHead { model: self.finish(draft, config)?, new })
    }

    fn finish(&mut self, draft: Draft, config: ModelConfig) -> Result<Box<dyn Model>> {
        let model = Pretrained::new(draft, config, self.device, true)?;
        self.extend(model.parameters());
        Ok(Box::new(model))
    }

    /// Takes the parameters of a model's body that are not here yet.
    fn extend(&mut self, parameters: &Parameters) {
        for (name, tensor) in parameters.iter() {
            if name.starts_with(self.architecture.family.body) && self.parameters.get(name).is_none() {
                self.parameters.insert(name, tensor.shallow_clone());
            }
        }
    }

    /// Handles to the same tensors.
    fn handles(&self) -> Parameters {
        let mut handles = Parameters::new();
        self.parameters.iter().for_each(|(name, tensor)| handles.insert(name, tensor.shallow_clone()));
        handles
    }

    fn no_head(&self, task: &Task) -> ModelError {
        ModelError::NoHead { architecture: self.architecture.name.to_owned(), task: task.to_string() }
    }
}
