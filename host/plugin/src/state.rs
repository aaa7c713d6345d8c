//! What the host keeps for one instance of a plugin.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use brewer::{Layer, OutputId, StepContext};
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
    /// What the guest read of a model's outputs, each once however often it is read: no limit counts reads.
    pub(crate) reads: BTreeSet<OutputId>,
    /// What a callback may ask for.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl Call {
    /// A call that begins now.
    pub(crate) fn new(context: StepContext, random: Random, device: Device, usage: Usage) -> Self {
        Self { context, usage, started: Instant::now(), random, device, reads: BTreeSet::new(), checkpoint: None }
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

    /// The tensor of a handle with the output that it is: what may become another handle or a layer among features.
    pub(crate) fn layer(&self, handle: &Resource<Tensor>) -> OpResult<Layer> {
        Ok(Layer { tensor: Some(self.tensor(handle)?), origin: self.handles.origin(handle).cloned() })
    }

    /// Makes a handle to a tensor that takes no new memory and is no output of the model.
    pub(crate) fn hold(&mut self, tensor: Tensor) -> OpResult<Resource<Tensor>> {
        self.hold_from(None, tensor)
    }

    /// Makes a handle to a tensor that is an output of the model, if `origin` names one.
    pub(crate) fn hold_from(&mut self, origin: Option<OutputId>, tensor: Tensor) -> OpResult<Resource<Tensor>> {
        Ok(self.handles.insert(&self.limits, Entry::Tensor(tensor, origin))?)
    }

    /// Notes that an output of the model is read, and returns its tensor. The read is on record also where it was not
    /// computed, so that the engine asks for it.
    pub(crate) fn read(&mut self, output: &OutputId, tensor: Option<Tensor>) -> OpResult<Tensor> {
        self.call.reads.insert(output.clone());
        self.call.usage.is_repeated |= tensor.is_none();
        let tensor =
            tensor.ok_or_else(|| OpError::new(tensor::ErrorCode::NotComputed, format!("{output} was not computed")))?;
        check_foreign(output.name(), &tensor)?;
        Ok(tensor)
    }

    /// Makes a handle to a tensor of the batch, or of what a loss is given.
    pub(crate) fn hold_foreign(&mut self, name: &str, tensor: Tensor) -> OpResult<Resource<Tensor>> {
        check_foreign(name, &tensor)?;
        self.hold(tensor)
    }
}

/// Refuses a tensor of the model or of the batch that is of a kind which the contract does not have.
fn check_foreign(name: &str, tensor: &Tensor) -> OpResult<()> {
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
