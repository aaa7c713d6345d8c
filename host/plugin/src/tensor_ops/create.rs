//! New tensors: filled ones, ranges, and lists joined into one.

use brewer::{Layer, libtorch::guarded};
use tch::{Device, Kind, TchError, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{dimension, elements, is_float, same_kind},
    cost::{COPY, Each, Estimate, bytes},
    kind::{name_of, number, to_torch},
};
use crate::{
    bindings::tensor,
    error::{OpError, OpResult},
    handles::{Entry, TensorList},
    state::State,
};

type Handle = Resource<Tensor>;

impl State {
    fn fill(
        &mut self,
        shape: &[i64],
        kind: tensor::Kind,
        op: impl FnOnce(&[i64], (Kind, Device)) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let kind = to_torch(kind);
        let elements = elements(shape)?;
        self.admit(&Estimate::new(elements, kind, Each::LOGIC))?;
        let options = (kind, self.call.device);
        self.hold(guarded(|| op(shape, options))?)
    }

    /// The tensor of an element of a list; that of an output is read.
    fn element(&mut self, element: &Layer) -> OpResult<Tensor> {
        let tensor = element.tensor.as_ref().map(Tensor::shallow_clone);
        match &element.origin {
            Some(output) => self.read(output, tensor),
            // An element without an origin was pushed, and only tensors can be.
            None => tensor.ok_or_else(|| OpError::argument("the list holds no tensor there")),
        }
    }

    /// Reads all tensors of a list, to be joined along `dim` of as many dimensions as the first has and `added` ones. All
    /// are on record before the first that was not computed is an error, so that the next forward computes them all;
    /// none is if there is no such dimension.
    fn read_all(&mut self, list: &Resource<TensorList>, dim: i64, added: usize) -> OpResult<(Vec<Tensor>, usize)> {
        let elements = &self.handles.get(list)?.0;
        let first = elements.first().ok_or_else(|| OpError::argument("there is no tensor in the list"))?;
        let dim = match &first.tensor {
            Some(first) if first.defined() => dimension(dim, first.dim() + added)?,
            // Without a shape any dimension will do: reading the tensor is the error.
            _ => 0,
        };
        let elements: Vec<_> = elements.iter().map(Layer::shallow_clone).collect();
        let read: Vec<_> = elements.iter().map(|element| self.element(element)).collect();
        Ok((read.into_iter().collect::<OpResult<_>>()?, dim))
    }

    /// Joins tensors, at least one, whose sizes in all dimensions but `free` are the same.
    fn join(
        &mut self,
        tensors: &[Tensor],
        free: Option<usize>,
        op: impl FnOnce(&[Tensor]) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        let first = &tensors[0];
        let (shape, kind) = (first.size(), first.f_kind()?);
        let mut total: u64 = 0;
        for tensor in tensors {
            same_kind(first, tensor)?;
            let other = tensor.size();
            let fits =
                other.len() == shape.len() && (0..shape.len()).all(|dim| Some(dim) == free || other[dim] == shape[dim]);
            if !fits {
                return Err(OpError::shape(format!("the shapes {shape:?} and {other:?} cannot be joined")));
            }
            total = total.saturating_add(elements(&other)?);
        }
        let mut estimate = Estimate::new(total, kind, Each::LOGIC);
        for tensor in tensors.iter().filter(|tensor| tensor.requires_grad()) {
            let elements = tensor.numel() as u64;
            estimate = estimate.gradient(bytes(elements, kind), elements.saturating_mul(2 * COPY));
        }
        self.admit(&estimate)?;
        let joined = op(tensors)?;
        // Of tensors without elements: one size may be more than a product of sizes can hold.
        elements(&joined.size())?;
        self.hold(joined)
    }
}

impl tensor::Host for State {
    fn zeros(&mut self, shape: Vec<i64>, kind: tensor::Kind) -> OpResult<Handle> {
        self.fill(&shape, kind, |shape, options| Tensor::f_zeros(shape, options))
    }

    fn ones(&mut self, shape: Vec<i64>, kind: tensor::Kind) -> OpResult<Handle> {
        self.fill(&shape, kind, |shape, options| Tensor::f_ones(shape, options))
    }

    fn full(&mut self, shape: Vec<i64>, value: tensor::Scalar, kind: tensor::Kind) -> OpResult<Handle> {
        self.fill(&shape, kind, |shape, options| Tensor::f_full(shape, number(value), options))
    }

    fn arange(
        &mut self,
        start: tensor::Scalar,
        end: tensor::Scalar,
        step: tensor::Scalar,
        kind: tensor::Kind,
    ) -> OpResult<Handle> {
        let length = range_length(start, end, step)?;
        // libtorch would cut the numbers off first, which makes another range.
        let integers = [start, end, step].iter().all(|number| matches!(number, tensor::Scalar::Int(_)));
        if !integers && !is_float(to_torch(kind)) {
            let kind = name_of(to_torch(kind));
            return Err(OpError::argument(format!("a range of {kind} needs integers to start, end and step")));
        }
        self.fill(&[length], kind, |_, options| {
            Tensor::f_arange_start_step(number(start), number(end), number(step), options)
        })
    }

    fn convert_error(&mut self, error: OpError) -> wasmtime::Result<tensor::Error> {
        match error {
            OpError::Refused(error) => Ok(error),
            OpError::Trap(error) => Err(error),
        }
    }
}

/// How many numbers there are from `start` to `end`. In doubles: a range long enough for them to be inexact is far
/// above any limit.
fn range_length(start: tensor::Scalar, end: tensor::Scalar, step: tensor::Scalar) -> OpResult<i64> {
    let double = |scalar| match scalar {
        tensor::Scalar::Float(number) => number,
        tensor::Scalar::Int(number) => number as f64,
    };
    let (start, end, step) = (double(start), double(end), double(step));
    let length = ((end - start) / step).ceil();
    let leads_away = start != end && (end > start) != (step > 0.0);
    if leads_away || !length.is_finite() || length >= i64::MAX as f64 {
        return Err(OpError::argument(format!("there is no range from {start} to {end} by {step}")));
    }
    Ok(length as i64)
}

impl tensor::HostTensorList for State {
    fn new(&mut self) -> wasmtime::Result<Resource<TensorList>> {
        self.operation()?;
        Ok(self.handles.insert(&self.limits, Entry::List(TensorList::default()))?)
    }

    fn len(&mut self, this: Resource<TensorList>) -> wasmtime::Result<u32> {
        self.operation()?;
        // Lists are shorter than the limit on handles, or than a model has layers.
        Ok(self.handles.get(&this)?.0.len() as u32)
    }

    fn get(&mut self, this: Resource<TensorList>, index: u32) -> OpResult<Handle> {
        self.operation()?;
        let list = &self.handles.get(&this)?.0;
        let Some(element) = list.get(index as usize) else {
            return Err(OpError::argument(format!("there is no tensor {index} in a list of {}", list.len())));
        };
        let element = element.shallow_clone();
        let tensor = self.element(&element)?;
        self.hold_from(element.origin, tensor)
    }

    fn push(&mut self, this: Resource<TensorList>, tensor: Handle) -> OpResult<()> {
        self.operation()?;
        let layer = self.layer(&tensor)?;
        self.handles.reserve(&self.limits, 1)?;
        self.handles.grow(&this, 1)?.0.push(layer);
        Ok(())
    }

    fn narrow(&mut self, this: Resource<TensorList>, start: u32, length: u32) -> OpResult<Resource<TensorList>> {
        self.operation()?;
        let list = &self.handles.get(&this)?.0;
        let (first, count) = (start as usize, length as usize);
        let Some(range) = first.checked_add(count).and_then(|end| list.get(first..end)) else {
            let range = format!("{length} tensors from {start} on");
            return Err(OpError::argument(format!("{range} are not within a list of {}", list.len())));
        };
        let range = TensorList(range.iter().map(Layer::shallow_clone).collect());
        Ok(self.handles.insert(&self.limits, Entry::List(range))?)
    }

    fn cat(&mut self, this: Resource<TensorList>, dim: i64) -> OpResult<Handle> {
        self.operation()?;
        let (tensors, dim) = self.read_all(&this, dim, 0)?;
        self.join(&tensors, Some(dim), |tensors| Tensor::f_cat(tensors, dim as i64))
    }

    fn stack(&mut self, this: Resource<TensorList>, dim: i64) -> OpResult<Handle> {
        self.operation()?;
        let (tensors, dim) = self.read_all(&this, dim, 1)?;
        self.join(&tensors, None, |tensors| Tensor::f_stack(tensors, dim as i64))
    }

    fn drop(&mut self, this: Resource<TensorList>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use brewer::OutputId;

    use super::*;
    use crate::{
        bindings::tensor::{Host, HostTensorList, Scalar},
        limits::Limits,
        plugin::Settings,
    };

    #[test]
    fn an_output_is_on_record_once_however_often_it_is_joined() {
        let mut state = State::new(Arc::new(Settings::of_tests()), Arc::new(Limits::default()));
        let layer = Layer {
            tensor: Some(Tensor::zeros([2], (Kind::Float, Device::Cpu))),
            origin: Some(OutputId::Layer("hidden_states".into(), 3)),
        };
        let layers = (0..1000).map(|_| layer.shallow_clone()).collect();
        let list = state.handles.insert::<TensorList>(&state.limits, Entry::List(TensorList(layers))).unwrap();
        let this = || Resource::new_own(list.rep());
        // A dimension that there is not is refused before anything is read.
        let refused = [state.cat(this(), 1).unwrap_err(), state.stack(this(), 2).unwrap_err()];
        for error in refused {
            let error = state.convert_error(error).unwrap();
            assert_eq!(error.code, tensor::ErrorCode::BadDimension, "{}", error.message);
        }
        assert!(state.call.reads.is_empty());
        let joined = state.cat(this(), 0).unwrap();
        assert_eq!(state.tensor(&joined).unwrap().size(), [2000]);
        let joined = state.stack(this(), -1).unwrap();
        assert_eq!(state.tensor(&joined).unwrap().size(), [2, 1000]);
        assert_eq!(Vec::from_iter(&state.call.reads), [layer.origin.as_ref().unwrap()]);
    }

    #[test]
    fn lengths_of_ranges() {
        let length =
            |start, end, step| range_length(Scalar::Float(start), Scalar::Float(end), Scalar::Float(step)).ok();
        assert_eq!(length(0.0, 5.0, 2.0), Some(3));
        assert_eq!(length(3.0, 0.0, -1.0), Some(3));
        assert_eq!(length(2.0, 2.0, -1.0), Some(0));
        for (start, end, step) in [(0.0, 5.0, 0.0), (0.0, 5.0, -1e300), (0.0, f64::NAN, 1.0), (0.0, 1e300, 1e-300)] {
            assert_eq!(length(start, end, step), None, "{start} {end} {step}");
        }
    }
}
