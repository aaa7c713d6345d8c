//! What losses get from the host.

use brewer::Layer;
pub use brewer::schedule::temperature::Temperature;
use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    bindings::{loss_inputs, tensor::ErrorCode},
    error::{OpError, OpResult},
    handles::{Entry, TensorList},
    state::State,
};

/// What a KD loss compares.
#[derive(Debug)]
pub struct KdInputs {
    pub(crate) student: Tensor,
    pub(crate) teacher: Tensor,
    pub(crate) temperature: Temperature,
    pub(crate) labels: Option<Tensor>,
}

/// What a match loss compares.
#[derive(Debug)]
pub struct MatchInputs {
    pub(crate) student: Vec<Tensor>,
    pub(crate) teacher: Vec<Tensor>,
    pub(crate) mask: Option<Tensor>,
}

/// The same temperature; a tensor shares its elements.
pub(crate) fn share(temperature: &Temperature) -> Temperature {
    match temperature {
        Temperature::Scalar(value) => Temperature::Scalar(*value),
        Temperature::PerExample(values) => Temperature::PerExample(values.shallow_clone()),
    }
}

impl State {
    fn hold_layers(&mut self, layers: Vec<Tensor>) -> OpResult<Resource<TensorList>> {
        let layers = layers.into_iter().map(Layer::from).collect();
        Ok(self.handles.insert(&self.limits, Entry::List(TensorList(layers)))?)
    }
}

fn layers(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(Tensor::shallow_clone).collect()
}

fn absent(what: &str) -> OpError {
    OpError::new(ErrorCode::NotFound, format!("there {what}"))
}

impl loss_inputs::HostKdInputs for State {
    fn student(&mut self, this: Resource<KdInputs>) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let student = self.handles.get(&this)?.student.shallow_clone();
        self.hold_foreign("student", student)
    }

    fn teacher(&mut self, this: Resource<KdInputs>) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let teacher = self.handles.get(&this)?.teacher.shallow_clone();
        self.hold_foreign("teacher", teacher)
    }

    fn temperature(&mut self, this: Resource<KdInputs>) -> OpResult<Resource<Temperature>> {
        self.operation()?;
        let temperature = share(&self.handles.get(&this)?.temperature);
        Ok(self.handles.insert(&self.limits, Entry::Temperature(temperature))?)
    }

    fn has_labels(&mut self, this: Resource<KdInputs>) -> wasmtime::Result<bool> {
        self.operation()?;
        Ok(self.handles.get(&this)?.labels.is_some())
    }

    fn labels(&mut self, this: Resource<KdInputs>) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let labels = self.handles.get(&this)?.labels.as_ref().map(Tensor::shallow_clone);
        self.hold_foreign("labels", labels.ok_or_else(|| absent("are no labels"))?)
    }

    fn drop(&mut self, this: Resource<KdInputs>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}

impl loss_inputs::HostMatchInputs for State {
    fn student(&mut self, this: Resource<MatchInputs>) -> OpResult<Resource<TensorList>> {
        self.operation()?;
        let student = layers(&self.handles.get(&this)?.student);
        self.hold_layers(student)
    }

    fn teacher(&mut self, this: Resource<MatchInputs>) -> OpResult<Resource<TensorList>> {
        self.operation()?;
        let teacher = layers(&self.handles.get(&this)?.teacher);
        self.hold_layers(teacher)
    }

    fn has_mask(&mut self, this: Resource<MatchInputs>) -> wasmtime::Result<bool> {
        self.operation()?;
        Ok(self.handles.get(&this)?.mask.is_some())
    }

    fn mask(&mut self, this: Resource<MatchInputs>) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let mask = self.handles.get(&this)?.mask.as_ref().map(Tensor::shallow_clone);
        self.hold_foreign("mask", mask.ok_or_else(|| absent("is no mask"))?)
    }

    fn drop(&mut self, this: Resource<MatchInputs>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}

impl loss_inputs::Host for State {}
