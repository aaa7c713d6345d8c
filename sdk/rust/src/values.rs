//! Elements of tensors as numbers, and back. The experiment must permit reading (`"permissions": ["read-values"]`);
//! computing with tensors needs no permission and is faster.

use crate::{Result, Tensor, bindings::brewer::plugin::values};

/// A type that elements can be read as and written from.
pub trait Value: Sized + private::Value {}

mod private {
    use crate::{Tensor, bindings::brewer::plugin::tensor};

    pub trait Value: Sized {
        fn read(tensor: &Tensor, start: u64, count: u64) -> Result<Vec<Self>, tensor::Error>;
        fn write(elements: &[Self], shape: &[i64]) -> Result<tensor::Tensor, tensor::Error>;
    }
}

macro_rules! value {
    ($($value:ty => $read:ident $new:ident),*) => {$(
        impl Value for $value {}

        impl private::Value for $value {
            fn read(
                tensor: &Tensor,
                start: u64,
                count: u64,
            ) -> Result<Vec<Self>, crate::bindings::brewer::plugin::tensor::Error> {
                values::$read(tensor.handle(), start, count)
            }

            fn write(
                elements: &[Self],
                shape: &[i64],
            ) -> Result<
                crate::bindings::brewer::plugin::tensor::Tensor,
                crate::bindings::brewer::plugin::tensor::Error,
            > {
                values::$new(elements, shape)
            }
        }
    )*};
}

value!(f32 => read_f32 new_f32, i64 => read_s64 new_s64, bool => read_bool new_bool);

/// All elements in row-major order: `f32` of any floating-point kind, `i64` of any integers, `bool`.
pub fn read<T: Value>(tensor: &Tensor) -> Result<Vec<T>> {
    read_range(tensor, 0, tensor.numel())
}

/// `count` elements from element `start` on, in row-major order.
pub fn read_range<T: Value>(tensor: &Tensor, start: usize, count: usize) -> Result<Vec<T>> {
    Ok(T::read(tensor, start as u64, count as u64)?)
}

/// A tensor of these elements in row-major order: `Float32`, `Int64` or `Boolean`.
pub fn write<T: Value>(elements: &[T], shape: &[i64]) -> Result<Tensor> {
    Ok(Tensor::new(T::write(elements, shape)?))
}
