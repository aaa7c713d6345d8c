use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use tch::{Device, Tensor};

use crate::{Layer, OutputId, OutputRequest, Result};

/// One named output of a model.
#[derive(Debug)]
pub enum Output {
    /// A single tensor, `None` if the request left it out.
    Tensor(Option<Tensor>),
    /// A list of one tensor a layer, such as `hidden_states` (position 0 is the embeddings' output) or `attentions`. It
    /// has its full length whatever was computed of it: `None` stands for a layer that the request left out.
    List(Vec<Option<Tensor>>),
}

/// The outputs of modules inside a model.
#[derive(Debug, Default)]
struct Modules {
    /// The names of all modules whose output can be had.
    offered: Arc<[String]>,
    computed: IndexMap<String, Tensor>,
}

/// What a model returned, by Hugging Face's names (`logits`, `hidden_states`, …), and a record of what was read of
/// it.
///
/// The record is what makes outputs lazy: the check before step 0 asks for everything, sees what was read, and from
/// then on only that is computed. Reading something that was not computed returns `None` and is recorded as well, so
/// that the caller can ask for it and run the forward again.
#[derive(Debug)]
pub struct Outputs {
    outputs: IndexMap<String, Output>,
    modules: Modules,
    read: RefCell<OutputRequest>,
    missed: RefCell<BTreeSet<OutputId>>,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            outputs: IndexMap::new(),
            modules: Modules::default(),
            read: RefCell::new(OutputRequest::nothing()),
            missed: RefCell::default(),
        }
    }
}

impl Outputs {
    /// No outputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same outputs on `device`, without the record of what was read; tensors that are there already are shared.
    pub fn to_device(&self, device: Device) -> Result<Self> {
        let to_device = |tensor: &Option<Tensor>| tensor.as_ref().map(|tensor| tensor.f_to_device(device)).transpose();
        let mut moved = Self::new();
        for (name, output) in &self.outputs {
            match output {
                Output::Tensor(tensor) => moved.insert(name, to_device(tensor)?),
                Output::List(layers) => {
                    moved.insert_list(name, layers.iter().map(to_device).collect::<Result<_, _>>()?);
                }
            }
        }
        let computed = self.modules.computed.iter();
        let computed = computed.map(|(name, tensor)| Ok((name.clone(), tensor.f_to_device(device)?)));
        moved.insert_modules(Arc::clone(&self.modules.offered), computed.collect::<Result<_>>()?);
        Ok(moved)
    }

    /// Adds the single tensor `name`: `None` says that the model has it but was not asked for it.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Option<Tensor>) {
        self.outputs.insert(name.into(), Output::Tensor(tensor));
    }

    /// Replaces the single tensor `name`, where it was computed, without recording a read.
    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<()> {
        if let Some(Output::Tensor(Some(tensor))) = self.outputs.get_mut(name) {
            *tensor = change(tensor)?;
        }
        Ok(())
    }

    /// Adds the list `name`.
    pub fn insert_list(&mut self, name: impl Into<String>, layers: Vec<Option<Tensor>>) {
        self.outputs.insert(name.into(), Output::List(layers));
    }

    /// Adds the tensor at `layer` of the list `name`, if the list is that long.
    pub(crate) fn insert_layer(&mut self, name: &str, layer: usize, tensor: Tensor) {
        if let Some(Output::List(layers)) = self.outputs.get_mut(name)
            && let Some(place) = layers.get_mut(layer)
        {
            *place = Some(tensor);
        }
    }

    /// Adds the outputs of modules that were computed, out of those that can be had.
    pub fn insert_modules(&mut self, offered: Arc<[String]>, computed: IndexMap<String, Tensor>) {
        self.modules = Modules { offered, computed };
    }

    /// The names of the modules whose output [`Outputs::module`] can return, once it was asked for.
    pub fn modules(&self) -> &[String] {
        &self.modules.offered
    }

    /// The output of the module `name`, as its parameters are named: `bert.encoder.layer.0.output`. `None` as in
    /// [`Outputs::tensor`].
    pub fn module(&self, name: &str) -> Option<&Tensor> {
        self.take(&OutputId::Module(name.into()))
    }

    /// The names of all that the model can return for this batch, computed or not.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.outputs.keys().map(String::as_str)
    }

    /// Whether there is an output of that name, computed or not.
    pub fn contains(&self, name: &str) -> bool {
        self.outputs.contains_key(name)
    }

    /// All tensors that were computed, without recording a read.
    pub fn computed(&self) -> impl Iterator<Item = &Tensor> {
        let tensors = self.outputs.values().flat_map(|output| match output {
            Output::Tensor(tensor) => std::slice::from_ref(tensor),
            Output::List(layers) => layers.as_slice(),
        });
        tensors.flatten().chain(self.modules.computed.values())
    }

    /// The output `name` as it is, without recording a read.
    pub fn peek(&self, name: &str) -> Option<&Output> {
        self.outputs.get(name)
    }

    /// The single tensor `name`; `None` if there is none of that name, if it is a list, or if it was not computed.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.take(&OutputId::Tensor(name.into()))
    }

    /// The tensor at `layer` of the list `name`; `None` as in [`Outputs::tensor`], or if the list is shorter.
    pub fn layer(&self, name: &str, layer: usize) -> Option<&Tensor> {
        self.take(&OutputId::Layer(name.into(), layer))
    }

    /// The list `name` to be passed on whole, each layer with its origin: a layer is read when the loss uses it. What is
    /// computed from a layer reads it by [`Outputs::layer`].
    pub fn list(&self, name: &str) -> Option<Vec<Layer>> {
        let Some(Output::List(layers)) = self.outputs.get(name) else { return None };
        let name: Arc<str> = name.into();
        let layer = |(position, tensor): (usize, &Option<Tensor>)| Layer {
            tensor: tensor.as_ref().map(Tensor::shallow_clone),
            origin: Some(OutputId::Layer(name.clone(), position)),
        };
        Some(layers.iter().enumerate().map(layer).collect())
    }

    /// Records that an output is read. One that the model does not have is not.
    pub fn record(&self, output: &OutputId) {
        let Some(tensor) = self.find(output) else { return };
        self.read.borrow_mut().add_output(output);
        if tensor.is_none() {
            self.missed.borrow_mut().insert(output.clone());
        }
    }

    /// All that was read so far.
    pub fn read(&self) -> OutputRequest {
        self.read.borrow().clone()
    }

    /// What was read but had not been computed.
    pub fn missed(&self) -> BTreeSet<OutputId> {
        self.missed.borrow().clone()
    }

    fn take(&self, output: &OutputId) -> Option<&Tensor> {
        self.record(output);
        self.find(output).flatten()
    }

    /// What there is of an output: `None` if the model has none of that name, `Some(None)` if it was not computed.
    fn find(&self, output: &OutputId) -> Option<Option<&Tensor>> {
        match output {
            OutputId::Tensor(name) => match self.outputs.get(&**name) {
                Some(Output::Tensor(tensor)) => Some(tensor.as_ref()),
                _ => None,
            },
            OutputId::Layer(list, layer) => match self.outputs.get(&**list) {
                Some(Output::List(layers)) => layers.get(*layer).map(Option::as_ref),
                _ => None,
            },
            OutputId::Module(name) => {
                let is_offered = self.modules.offered.iter().any(|offered| **offered == **name);
                is_offered.then(|| self.modules.computed.get(&**name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_are_one_tensor_are_told_apart() {
        let tensor = Tensor::from(1.0);
        let mut outputs = Outputs::new();
        outputs.insert_list("hidden_states", vec![Some(tensor.shallow_clone()), Some(tensor)]);
        let passed_on = outputs.list("hidden_states").unwrap().swap_remove(1);
        outputs.record(&passed_on.origin.unwrap());
        let mut expected = OutputRequest::nothing();
        expected.add_layer("hidden_states", 1);
        assert_eq!(outputs.read(), expected);
    }

    #[test]
    fn what_a_model_does_not_have_is_not_read() {
        let mut outputs = Outputs::new();
        outputs.insert("logits", None);
        outputs.insert_list("attentions", vec![None]);
        assert!(outputs.tensor("attentions").is_none() && outputs.layer("attentions", 1).is_none());
        assert!(outputs.layer("logits", 0).is_none() && outputs.module("pooler").is_none());
        assert!(outputs.read().is_nothing() && outputs.missed().is_empty());
        assert!(outputs.tensor("logits").is_none());
        assert_eq!(Vec::from_iter(outputs.missed()), [OutputId::Tensor("logits".into())]);
    }
}
