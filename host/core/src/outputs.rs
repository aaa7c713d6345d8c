use std::cell::RefCell;
use std::sync::Arc;

use indexmap::IndexMap;
use tch::{Device, Tensor};

use crate::{OutputRequest, Result};

/// A list of tensors, one a layer. `None` stands for one that the model did not compute because the request left it
/// out.
pub type Layers = Vec<Option<Tensor>>;

/// One named output of a model.
#[derive(Debug)]
pub enum Output {
    /// A single tensor, `None` if the request left it out.
    Tensor(Option<Tensor>),
    /// A list, such as `hidden_states` (position 0 is the embeddings' output) or `attentions`. It has its full length
    /// whatever was computed of it.
    List(Layers),
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
    missed: RefCell<OutputRequest>,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            outputs: IndexMap::new(),
            modules: Modules::default(),
            read: RefCell::new(OutputRequest::nothing()),
            missed: RefCell::new(OutputRequest::nothing()),
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
    pub fn insert_list(&mut self, name: impl Into<String>, layers: Layers) {
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
        if !self.modules.offered.iter().any(|offered| offered == name) {
            return None;
        }
        self.read.borrow_mut().add_module(name);
        let computed = self.modules.computed.get(name);
        if computed.is_none() {
            self.missed.borrow_mut().add_module(name);
        }
        computed
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
        let Some(Output::Tensor(tensor)) = self.outputs.get(name) else { return None };
        self.read.borrow_mut().add(name);
        if tensor.is_none() {
            self.missed.borrow_mut().add(name);
        }
        tensor.as_ref()
    }

    /// The list `name` to be passed on whole: what is used of it is recorded later, by [`Outputs::record_use`].
    pub fn list(&self, name: &str) -> Option<&Layers> {
        match self.outputs.get(name) {
            Some(Output::List(layers)) => Some(layers),
            _ => None,
        }
    }

    /// The tensor at `layer` of the list `name`; `None` as in [`Outputs::tensor`], or if the list is shorter.
    pub fn layer(&self, name: &str, layer: usize) -> Option<&Tensor> {
        let tensor = self.list(name)?.get(layer)?;
        self.record_layer(name, layer);
        tensor.as_ref()
    }

    /// Records that `layer` of the list `name` is used.
    pub fn record_layer(&self, name: &str, layer: usize) {
        self.read.borrow_mut().add_layer(name, layer);
        if let Some(None) = self.list(name).and_then(|layers| layers.get(layer)) {
            self.missed.borrow_mut().add_layer(name, layer);
        }
    }

    /// Records that `tensor`, which an adaptor returned, is used by the loss: if it is one of a list's layers, that
    /// layer counts as read.
    pub fn record_use(&self, tensor: &Tensor) {
        for (name, output) in &self.outputs {
            let Output::List(layers) = output else { continue };
            for (position, layer) in layers.iter().enumerate() {
                if layer.as_ref().is_some_and(|layer| is_same(layer, tensor)) {
                    self.record_layer(name, position);
                }
            }
        }
    }

    /// All that was read so far.
    pub fn read(&self) -> OutputRequest {
        self.read.borrow().clone()
    }

    /// What was read but had not been computed.
    pub fn missed(&self) -> OutputRequest {
        self.missed.borrow().clone()
    }
}

/// Whether two handles name the same elements in memory.
fn is_same(left: &Tensor, right: &Tensor) -> bool {
    left.data_ptr() == right.data_ptr() && left.size() == right.size() && left.stride() == right.stride()
}
