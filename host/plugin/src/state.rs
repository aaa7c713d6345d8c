//! What the host keeps for one instance of a plugin.

use std::{sync::Arc, time::Instant};

use brewer::StepContext;
use tch::{Device, Tensor};
use wasmtime::component::Resource;

use crate::{
    bindings::{tensor, types},
    checkpoint::Checkpoint,
    error::{OpError, OpResult},
    handles::{Entry, Handles},
    limits::{Cost, LimitError, Limits, Usage},
    memory::MemoryLimiter,
    plugin::Settings,
    random::Random,
    wasi::Console,
};

/// The data of a wasmtime store.
#[derive(Debug)]
pub struct State {
    pub(crate) settings: Arc<Settings>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) handles: Handles,
    pub(crate) call: Call,
    pub(crate) console: Console,
}

/// What belongs to the call that is running.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) context: StepContext,
    pub(crate) usage: Usage,
    pub(crate) started: Instant,
    pub(crate) random: Random,
    /// Where new tensors are made: where the model's are.
    pub(crate) device: Device,
    /// What the guest read of a model's outputs: a name, and a position if it is a list.
    pub(crate) reads: Vec<(Arc<str>, Option<usize>)>,
    /// What a callback may ask for.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl Call {
    /// A call that begins now.
    pub(crate) fn new(context: StepContext, random: Random, device: Device, usage: Usage) -> Self {
        Self { context, usage, started: Instant::now(), random, device, reads: Vec::new(), checkpoint: None }
    }
}

impl State {
    pub(crate) fn new(settings: Arc<Settings>, limits: Arc<Limits>) -> Self {
        let memory = MemoryLimiter::new(&limits);
        let random = Random::for_start(settings.seed);
        let call = Call::new(StepContext::default(), random, Device::Cpu, Usage::default());
        Self { settings, limits, memory, handles: Handles::default(), call, console: Console::default() }
    }

    /// Releases all that the call held.
    pub(crate) fn end_call(&mut self) {
        self.end_lines();
        self.call = Call::new(StepContext::default(), Random::default(), Device::Cpu, Usage::default());
        self.handles.end_call();
    }

    /// Counts a request of the guest; one too many ends the call, because a guest that goes on asking would never
    /// come to an end.
    pub(crate) fn operation(&mut self) -> wasmtime::Result<()> {
        Ok(self.call.usage.operation(&self.limits)?)
    }

    /// Counts what is about to be done for the guest.
    pub(crate) fn spend(&mut self, cost: &Cost) -> Result<(), LimitError> {
        let Call { usage, device, started, .. } = &mut self.call;
        usage.spend(&self.limits, cost, *device, || started.elapsed())
    }

    /// The tensor of a handle. The clone shares its elements and its place in the gradient graph.
    pub(crate) fn tensor(&self, handle: &Resource<Tensor>) -> OpResult<Tensor> {
        Ok(self.handles.get(handle)?.shallow_clone())
    }

    /// Makes a handle to a tensor that takes no new memory.
    pub(crate) fn hold(&mut self, tensor: Tensor) -> OpResult<Resource<Tensor>> {
        Ok(self.handles.insert(&self.limits, Entry::Tensor(tensor))?)
    }

    /// Makes a handle to a tensor of the model or of the batch.
    pub(crate) fn hold_foreign(&mut self, name: &str, tensor: Tensor) -> OpResult<Resource<Tensor>> {
        check_foreign(name, &tensor)?;
        self.hold(tensor)
    }
}

/// Refuses a tensor of the model or of the batch that is of a kind which the contract does not have.
pub(crate) fn check_foreign(name: &str, tensor: &Tensor) -> OpResult<()> {
    if !tensor.defined() {
        return Err(OpError::new(tensor::ErrorCode::NotFound, format!("`{name}` holds no tensor")));
    }
    let kind = tensor.f_kind()?;
    if crate::tensor_ops::kind_of(kind).is_none() {
        return Err(OpError::kind(format!("`{name}` is of kind {kind:?}, which plugins cannot use")));
    }
    Ok(())
}

impl types::Host for State {}
