//! The batch as the guest sees it.

use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    bindings::{tensor::ErrorCode, types},
    error::{OpError, OpResult, Released},
    handles::BatchHandle,
    state::State,
};

impl State {
    /// Counts a request and makes sure that the batch is the one of this call.
    fn open_batch(&mut self, handle: &Resource<BatchHandle>) -> wasmtime::Result<()> {
        self.operation()?;
        if self.handles.is_live(handle) { Ok(()) } else { Err(Released("batch").into()) }
    }
}

impl types::HostBatch for State {
    fn names(&mut self, this: Resource<BatchHandle>) -> wasmtime::Result<Vec<String>> {
        self.open_batch(&this)?;
        Ok(self.call.batch.iter().map(|(name, _)| name.clone()).collect())
    }

    fn has(&mut self, this: Resource<BatchHandle>, name: String) -> wasmtime::Result<bool> {
        self.open_batch(&this)?;
        Ok(self.call.batch.iter().any(|(other, _)| *other == name))
    }

    fn tensor(&mut self, this: Resource<BatchHandle>, name: String) -> OpResult<Resource<Tensor>> {
        self.open_batch(&this)?;
        match self.call.batch.iter().find(|(other, _)| *other == name) {
            Some((_, tensor)) => {
                let tensor = tensor.shallow_clone();
                self.hold_foreign(&name, tensor)
            }
            None => {
                let names: Vec<_> = self.call.batch.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("the batch has no `{}`; it has {}", crate::log::clean(&name), names.join(", "));
                Err(OpError::new(ErrorCode::NotFound, message))
            }
        }
    }

    fn drop(&mut self, this: Resource<BatchHandle>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
