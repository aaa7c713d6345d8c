//! The model's outputs as the guest sees them: lazy, with a record of what was read.

use std::sync::Arc;

use brewer::{Layer, Output, OutputId, Outputs};
use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    bindings::{tensor::ErrorCode, types},
    error::{OpError, OpResult},
    features::{Given, pairs},
    handles::{Entry, TensorList},
    state::State,
};

/// What one forward returned, as the guest may take it.
#[derive(Debug)]
pub struct ModelOutputs(Vec<(Arc<str>, OutputValue)>);

#[derive(Debug)]
enum OutputValue {
    Tensor(Option<Tensor>),
    List(Vec<Layer>),
}

impl ModelOutputs {
    /// Takes handles to all tensors: the store outlives the call's borrows, and a handle costs a reference count.
    pub(crate) fn new(outputs: &Outputs) -> Self {
        let values = outputs.names().filter_map(|name| {
            let name: Arc<str> = name.into();
            let value = match outputs.peek(&name)? {
                Output::Tensor(tensor) => OutputValue::Tensor(tensor.as_ref().map(Tensor::shallow_clone)),
                Output::List(_) => OutputValue::List(outputs.list(&name)?),
            };
            Some((name, value))
        });
        Self(values.collect())
    }

    fn find(&self, name: &str) -> OpResult<&(Arc<str>, OutputValue)> {
        self.0.iter().find(|(other, _)| **other == *name).ok_or_else(|| {
            let names: Vec<_> = self.0.iter().map(|(name, _)| &**name).collect();
            let message =
                format!("the model returns no `{}`; it returns {}", crate::text::clean_name(name), names.join(", "));
            OpError::new(ErrorCode::NotFound, message)
        })
    }

    /// How many elements were computed.
    pub(crate) fn given(&self) -> Given {
        let mut given = Given::default();
        for (_, value) in &self.0 {
            let count = match value {
                OutputValue::Tensor(_) => &mut given.tensors,
                OutputValue::List(_) => &mut given.layers,
            };
            for tensor in value.computed() {
                *count = count.saturating_add(tensor.numel() as u64);
                given.pairs = given.pairs.max(pairs(&tensor.size()));
            }
        }
        given
    }

    /// All tensors that were computed.
    pub(crate) fn computed(&self) -> impl Iterator<Item = &Tensor> {
        self.0.iter().flat_map(|(_, value)| value.computed())
    }
}

impl OutputValue {
    /// The tensors that were computed.
    fn computed(&self) -> Vec<&Tensor> {
        match self {
            Self::Tensor(tensor) => tensor.iter().collect(),
            Self::List(layers) => layers.iter().filter_map(|layer| layer.tensor.as_ref()).collect(),
        }
    }
}

impl types::HostOutputs for State {
    fn names(&mut self, this: Resource<ModelOutputs>) -> wasmtime::Result<Vec<String>> {
        self.operation()?;
        Ok(self.handles.get(&this)?.0.iter().map(|(name, _)| name.to_string()).collect())
    }

    fn has(&mut self, this: Resource<ModelOutputs>, name: String) -> wasmtime::Result<bool> {
        self.operation()?;
        Ok(self.handles.get(&this)?.0.iter().any(|(other, _)| **other == *name))
    }

    fn tensor(&mut self, this: Resource<ModelOutputs>, name: String) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let (name, tensor) = match self.handles.get(&this)?.find(&name)? {
            (name, OutputValue::Tensor(tensor)) => (name.clone(), tensor.as_ref().map(Tensor::shallow_clone)),
            (_, OutputValue::List(list)) => {
                return Err(OpError::argument(format!("`{name}` is a list of {} tensors, not a tensor", list.len())));
            }
        };
        let output = OutputId::Tensor(name);
        let tensor = self.read(&output, tensor)?;
        self.hold_from(Some(output), tensor)
    }

    fn list(&mut self, this: Resource<ModelOutputs>, name: String) -> OpResult<Resource<TensorList>> {
        self.operation()?;
        let layers = match self.handles.get(&this)?.find(&name)? {
            (_, OutputValue::List(list)) => list.iter().map(Layer::shallow_clone).collect(),
            (_, OutputValue::Tensor(_)) => {
                return Err(OpError::argument(format!("`{name}` is a single tensor, not a list")));
            }
        };
        Ok(self.handles.insert(&self.limits, Entry::List(TensorList(layers)))?)
    }

    fn drop(&mut self, this: Resource<ModelOutputs>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
