//! A batch as the guest sees it, and changes it.

use std::sync::Arc;

use brewer::Batch;
use tch::{Device, Tensor};
use wasmtime::component::Resource;

use crate::{
    bindings::{tensor::ErrorCode, types},
    error::{OpError, OpResult},
    handles::Entry,
    state::State,
    text::clean_name,
};

/// The tensors of a batch by name, in order.
#[derive(Debug, Default)]
pub struct Columns {
    tensors: Vec<(String, Tensor)>,
    /// The task whose data it is, where that is known and there are several.
    task: Option<Arc<str>>,
}

/// The longest name of a tensor, in bytes: names take memory that no limit counts.
const NAME_BYTES: usize = 256;

impl Columns {
    /// Takes handles to all tensors: the store outlives the call's borrows, and a handle costs a reference count.
    pub(crate) fn new(batch: &Batch) -> Self {
        let tensors = batch.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
        Self { tensors, task: None }
    }

    /// The same batch as one of the data of a task.
    pub(crate) fn of_task(self, task: Option<Arc<str>>) -> Self {
        Self { task, ..self }
    }

    pub(crate) fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// How many elements its tensors have.
    pub(crate) fn elements(&self) -> u64 {
        self.tensors.iter().map(|(_, tensor)| tensor.numel() as u64).sum()
    }

    /// Where the tensors are.
    pub(crate) fn device(&self) -> Device {
        self.tensors.first().map_or(Device::Cpu, |(_, tensor)| tensor.device())
    }

    /// The batch with these tensors.
    pub(crate) fn batch(&self) -> Batch {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    fn position(&self, name: &str) -> OpResult<usize> {
        self.tensors.iter().position(|(other, _)| *other == name).ok_or_else(|| {
            let names: Vec<_> = self.tensors.iter().map(|(name, _)| name.as_str()).collect();
            let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            OpError::new(ErrorCode::NotFound, format!("the batch has no `{}`; it has {found}", clean_name(name)))
        })
    }
}

impl types::HostBatch for State {
    fn new(&mut self) -> wasmtime::Result<Resource<Columns>> {
        self.operation()?;
        Ok(self.handles.insert(&self.limits, Entry::Batch(Columns::default()))?)
    }

    fn names(&mut self, this: Resource<Columns>) -> wasmtime::Result<Vec<String>> {
        self.operation()?;
        Ok(self.handles.get(&this)?.tensors.iter().map(|(name, _)| name.clone()).collect())
    }

    fn has(&mut self, this: Resource<Columns>, name: String) -> wasmtime::Result<bool> {
        self.operation()?;
        Ok(self.handles.get(&this)?.tensors.iter().any(|(other, _)| *other == name))
    }

    fn tensor(&mut self, this: Resource<Columns>, name: String) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let columns = self.handles.get(&this)?;
        let tensor = columns.tensors[columns.position(&name)?].1.shallow_clone();
        self.hold_foreign(&name, tensor)
    }

    fn insert(&mut self, this: Resource<Columns>, name: String, tensor: Resource<Tensor>) -> OpResult<()> {
        self.operation()?;
        if name.is_empty() || name.len() > NAME_BYTES {
            let found = format!("a name of {} bytes", name.len());
            return Err(OpError::argument(format!("{found}; expected at least one and at most {NAME_BYTES}")));
        }
        let tensor = State::tensor(self, &tensor)?;
        match self.handles.get(&this)?.position(&name) {
            Ok(position) => self.handles.grow(&this, 0)?.tensors[position].1 = tensor,
            Err(_) => {
                self.handles.reserve(&self.limits, 1)?;
                self.handles.grow(&this, 1)?.tensors.push((name, tensor));
            }
        }
        Ok(())
    }

    fn remove(&mut self, this: Resource<Columns>, name: String) -> OpResult<()> {
        self.operation()?;
        let position = self.handles.get(&this)?.position(&name)?;
        drop(self.handles.shrink(&this)?.tensors.remove(position));
        Ok(())
    }

    fn drop(&mut self, this: Resource<Columns>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
