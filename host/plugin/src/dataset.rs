//! The interface `dataset`: the experiment's data in batches.

use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    batch::Columns,
    bindings::{dataset, tensor::ErrorCode},
    checkpoint::Split,
    error::{OpError, OpResult},
    handles::Entry,
    limits::{Cost, check_elements},
    permissions::Permission,
    state::State,
    tensor_ops::bytes,
    text::clean_name,
};

impl State {
    fn split(&mut self, name: &str) -> OpResult<&Split> {
        self.permit(Permission::Dataset)?;
        let splits = &self.checkpoint()?.splits;
        splits.iter().find(|split| split.name == name).ok_or_else(|| {
            let names: Vec<_> = splits.iter().map(|split| split.name.as_str()).collect();
            let message = format!("the data has no split `{}`; it has {}", clean_name(name), names.join(", "));
            OpError::new(ErrorCode::NotFound, message)
        })
    }
}

impl dataset::Host for State {
    fn splits(&mut self) -> OpResult<Vec<String>> {
        self.permit(Permission::Dataset)?;
        Ok(self.checkpoint()?.splits.iter().map(|split| split.name.clone()).collect())
    }

    fn num_batches(&mut self, split: String) -> OpResult<u32> {
        let batches = self.split(&split)?.batches.count();
        Ok(u32::try_from(batches).unwrap_or(u32::MAX))
    }

    fn read_batch(&mut self, split: String, index: u32) -> OpResult<Resource<Columns>> {
        let Split { batches, task, .. } = self.split(&split)?;
        let task = task.clone();
        let Some(batch) = batches.batch(index as usize).map_err(failed)? else {
            let message = format!("there is no batch {index} in `{split}`; it has {}", batches.count());
            return Err(OpError::argument(message));
        };
        for (_, tensor) in batch.iter() {
            check_elements(&self.limits, tensor.numel() as u64)?;
            self.spend(&Cost { bytes: size(tensor)?, ..Cost::default() })?;
        }
        let batch = batch.to_device(self.call.device).map_err(failed)?;
        Ok(self.handles.insert(&self.limits, Entry::Batch(Columns::new(&batch).of_task(task)))?)
    }
}

/// The engine could not do what the guest asked for.
pub(crate) fn failed(error: brewer::Error) -> OpError {
    OpError::new(ErrorCode::Failed, error.to_string())
}

/// The size of a tensor in memory.
pub(crate) fn size(tensor: &Tensor) -> OpResult<u64> {
    Ok(bytes(tensor.numel() as u64, tensor.f_kind()?))
}
