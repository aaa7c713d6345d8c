//! The model's outputs as the guest sees them: lazy, with a record of what was read.

use std::sync::Arc;

use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    bindings::{tensor::ErrorCode, types},
    error::{OpError, OpResult, Released},
    handles::{Element, Entry, OutputsHandle, TensorList},
    state::{OutputValue, State},
};

impl State {
    /// Counts a request and makes sure that the outputs are those of this call.
    fn open_outputs(&mut self, handle: &Resource<OutputsHandle>) -> wasmtime::Result<()> {
        self.operation()?;
        if self.handles.is_live(handle) { Ok(()) } else { Err(Released("outputs").into()) }
    }

    fn output(&self, name: &str) -> OpResult<&(Arc<str>, OutputValue)> {
        self.call.outputs.iter().find(|(other, _)| **other == *name).ok_or_else(|| {
            let names: Vec<_> = self.call.outputs.iter().map(|(name, _)| &**name).collect();
            let message =
                format!("the model returns no `{}`; it returns {}", crate::log::clean(name), names.join(", "));
            OpError::new(ErrorCode::NotFound, message)
        })
    }
}

/// The error for something that the model was not asked for. The read is on record, so the engine asks for it.
pub(crate) fn not_computed(what: &str) -> OpError {
    OpError::new(ErrorCode::NotComputed, format!("{what} was not computed"))
}

impl types::HostOutputs for State {
    fn names(&mut self, this: Resource<OutputsHandle>) -> wasmtime::Result<Vec<String>> {
        self.open_outputs(&this)?;
        Ok(self.call.outputs.iter().map(|(name, _)| name.to_string()).collect())
    }

    fn has(&mut self, this: Resource<OutputsHandle>, name: String) -> wasmtime::Result<bool> {
        self.open_outputs(&this)?;
        Ok(self.call.outputs.iter().any(|(other, _)| **other == *name))
    }

    fn tensor(&mut self, this: Resource<OutputsHandle>, name: String) -> OpResult<Resource<Tensor>> {
        self.open_outputs(&this)?;
        let (name, tensor) = match self.output(&name)? {
            (name, OutputValue::Tensor(tensor)) => (name.clone(), tensor.as_ref().map(Tensor::shallow_clone)),
            (_, OutputValue::List(list)) => {
                return Err(OpError::argument(format!("`{name}` is a list of {} tensors, not a tensor", list.len())));
            }
        };
        self.call.reads.push((name.clone(), None));
        let tensor = tensor.ok_or_else(|| not_computed(&format!("the output `{name}`")))?;
        self.hold_foreign(&name, tensor)
    }

    fn list(&mut self, this: Resource<OutputsHandle>, name: String) -> OpResult<Resource<TensorList>> {
        self.open_outputs(&this)?;
        let elements = match self.output(&name)? {
            (_, OutputValue::List(list)) => list.iter().map(Element::share).collect(),
            (_, OutputValue::Tensor(_)) => {
                return Err(OpError::argument(format!("`{name}` is a single tensor, not a list")));
            }
        };
        Ok(self.handles.insert(&self.limits, Entry::List(TensorList(elements)))?)
    }

    fn drop(&mut self, this: Resource<OutputsHandle>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
