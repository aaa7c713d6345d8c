//! Elements as numbers in the guest's memory, and back.

use tch::{Device, Kind, Tensor, kind::Element};
use wasmtime::component::Resource;

use crate::{
    bindings::values,
    error::{OpError, OpResult},
    limits::{Cost, check_elements},
    permissions::Permission,
    state::State,
    tensor_ops::{COPY, bytes, is_float},
};

impl State {
    /// Copies `count` elements from `start` on, converted to `T`.
    fn read_range<T: Element + Copy + Default>(
        &mut self,
        tensor: &Resource<Tensor>,
        start: u64,
        count: u64,
        accepts: fn(Kind) -> bool,
        expected: &str,
    ) -> OpResult<Vec<T>> {
        self.permit(Permission::ReadValues)?;
        let tensor = self.tensor(tensor)?;
        let kind = tensor.f_kind()?;
        if !accepts(kind) {
            return Err(OpError::kind(format!("a tensor of {kind:?} elements; expected {expected}")));
        }
        let total = tensor.numel() as u64;
        if start.checked_add(count).is_none_or(|end| end > total) {
            let range = format!("{count} elements from {start} on");
            return Err(OpError::argument(format!("{range} are not within a tensor of {total}")));
        }
        self.call.usage.values(&self.limits, count.saturating_mul(size_of::<T>() as u64))?;
        // Putting the elements in order copies the whole tensor.
        let copied = if tensor.is_contiguous() { count } else { total };
        self.spend(&Cost { bytes: bytes(copied, kind), work: copied.saturating_mul(COPY), ..Cost::default() })?;
        let range = tensor.f_detach()?.f_reshape([-1])?.f_narrow(0, start as i64, count as i64)?;
        let mut elements = vec![T::default(); count as usize];
        range.f_to_device(Device::Cpu)?.f_to_kind(T::KIND)?.f_copy_data(&mut elements, count as usize)?;
        Ok(elements)
    }

    /// A tensor of elements of the guest's.
    fn write<T: Element>(&mut self, elements: &[T], kind: Kind, shape: &[i64]) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let product = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(u64::try_from(size).ok()?));
        if product != Some(elements.len() as u64) {
            return Err(OpError::shape(format!("{} elements do not fill a tensor of {shape:?}", elements.len())));
        }
        let bytes = size_of_val(elements) as u64;
        check_elements(&self.limits, elements.len() as u64)?;
        self.call.usage.values(&self.limits, bytes)?;
        let work = (elements.len() as u64).saturating_mul(COPY);
        self.spend(&Cost { bytes, work, ..Cost::default() })?;
        let tensor = Tensor::f_from_slice(elements)?.f_reshape(shape)?.f_to_kind(kind)?;
        self.hold(tensor.f_to_device(self.call.device)?)
    }
}

fn is_integer(kind: Kind) -> bool {
    matches!(kind, Kind::Uint8 | Kind::Int8 | Kind::Int16 | Kind::Int | Kind::Int64)
}

impl values::Host for State {
    fn read_f32(&mut self, tensor: Resource<Tensor>, start: u64, count: u64) -> OpResult<Vec<f32>> {
        self.read_range(&tensor, start, count, is_float, "floating-point numbers")
    }

    fn read_s64(&mut self, tensor: Resource<Tensor>, start: u64, count: u64) -> OpResult<Vec<i64>> {
        self.read_range(&tensor, start, count, is_integer, "integers")
    }

    fn read_bool(&mut self, tensor: Resource<Tensor>, start: u64, count: u64) -> OpResult<Vec<bool>> {
        let elements: Vec<u8> = self.read_range(&tensor, start, count, |kind| kind == Kind::Bool, "boolean")?;
        Ok(elements.into_iter().map(|element| element != 0).collect())
    }

    fn new_f32(&mut self, elements: Vec<f32>, shape: Vec<i64>) -> OpResult<Resource<Tensor>> {
        self.write(&elements, Kind::Float, &shape)
    }

    fn new_s64(&mut self, elements: Vec<i64>, shape: Vec<i64>) -> OpResult<Resource<Tensor>> {
        self.write(&elements, Kind::Int64, &shape)
    }

    fn new_bool(&mut self, elements: Vec<bool>, shape: Vec<i64>) -> OpResult<Resource<Tensor>> {
        self.write(&elements, Kind::Bool, &shape)
    }
}
