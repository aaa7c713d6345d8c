//! What the host keeps for one instance of a plugin.

use std::sync::Arc;

use brewer::{AdaptContext, Batch, Output, Outputs};
use tch::{Device, Tensor};
use wasmtime::component::Resource;

use crate::{
    bindings::{tensor, types},
    error::{OpError, OpResult},
    handles::{BatchHandle, Element, Entry, Handles, OutputsHandle},
    limits::{LimitError, Limits, MemoryLimiter, Usage},
    plugin::Settings,
    random::Random,
};

/// The data of a wasmtime store.
#[derive(Debug)]
pub struct State {
    pub(crate) settings: Arc<Settings>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) handles: Handles,
    pub(crate) call: Call,
}

/// What belongs to the call that is running.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) usage: Usage,
    pub(crate) random: Random,
    /// Where new tensors are made: where the model's are.
    pub(crate) device: Device,
    pub(crate) batch: Vec<(String, Tensor)>,
    pub(crate) outputs: Vec<(Arc<str>, OutputValue)>,
    /// What the guest read of the outputs: a name, and a position if it is a list.
    pub(crate) reads: Vec<(Arc<str>, Option<usize>)>,
}

/// One output of the model, as the guest may take it.
#[derive(Debug)]
pub(crate) enum OutputValue {
    Tensor(Option<Tensor>),
    List(Vec<Element>),
}

impl Default for Call {
    fn default() -> Self {
        Self {
            usage: Usage::default(),
            random: Random::default(),
            device: Device::Cpu,
            batch: Vec::new(),
            outputs: Vec::new(),
            reads: Vec::new(),
        }
    }
}

impl Call {
    /// Takes handles to all tensors: the store outlives the call's borrows, and a handle costs a reference count.
    fn new(seed: u64, context: &AdaptContext, batch: &Batch, outputs: &Outputs) -> Self {
        let batch: Vec<_> = batch.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
        let outputs: Vec<_> = outputs
            .names()
            .filter_map(|name| {
                let name: Arc<str> = name.into();
                let value = OutputValue::new(&name, outputs.peek(&name)?);
                Some((name, value))
            })
            .collect();
        let first = outputs.iter().find_map(|(_, value)| value.any()).or(batch.first().map(|(_, tensor)| tensor));
        let device = first.map_or(Device::Cpu, Tensor::device);
        let random = Random::for_call(seed, context);
        Self { usage: Usage::default(), random, device, batch, outputs, reads: Vec::new() }
    }
}

impl OutputValue {
    fn new(name: &Arc<str>, output: &Output) -> Self {
        match output {
            Output::Tensor(tensor) => Self::Tensor(tensor.as_ref().map(Tensor::shallow_clone)),
            Output::List(layers) => {
                let element = |(position, tensor): (usize, &Option<Tensor>)| Element {
                    tensor: tensor.as_ref().map(Tensor::shallow_clone),
                    source: Some((name.clone(), position)),
                };
                Self::List(layers.iter().enumerate().map(element).collect())
            }
        }
    }

    /// Any tensor of it that was computed.
    fn any(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor(tensor) => tensor.as_ref(),
            Self::List(elements) => elements.iter().find_map(|element| element.tensor.as_ref()),
        }
    }
}

impl State {
    pub(crate) fn new(settings: Arc<Settings>, limits: Arc<Limits>) -> Self {
        let memory = MemoryLimiter::new(&limits);
        Self { settings, limits, memory, handles: Handles::default(), call: Call::default() }
    }

    /// Sets up a call and gives the handles that its guest gets to own.
    pub(crate) fn begin_call(
        &mut self,
        context: &AdaptContext,
        batch: &Batch,
        outputs: &Outputs,
    ) -> Result<(Resource<BatchHandle>, Resource<OutputsHandle>), LimitError> {
        self.call = Call::new(self.settings.seed, context, batch, outputs);
        let batch = self.handles.insert(&self.limits, Entry::Batch)?;
        let outputs = self.handles.insert(&self.limits, Entry::Outputs)?;
        Ok((batch, outputs))
    }

    /// Notes in `outputs` what was read and releases all that the call held.
    pub(crate) fn end_call(&mut self, outputs: &Outputs) {
        for (name, position) in self.call.reads.drain(..) {
            match position {
                None => _ = outputs.tensor(&name),
                Some(position) => outputs.record_layer(&name, position),
            }
        }
        self.call = Call::default();
        self.handles.end_call();
    }

    /// Counts a request of the guest; one too many ends the call, because a guest that goes on asking would never
    /// come to an end.
    pub(crate) fn operation(&mut self) -> wasmtime::Result<()> {
        Ok(self.call.usage.operation(&self.limits)?)
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
