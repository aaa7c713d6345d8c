use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::Tensor;
pub use crate::bindings::brewer::plugin::tensor::Scalar;

/// The other side of an operation: a tensor, which broadcasts, or a number. As in PyTorch a floating-point number makes
/// a tensor of integers `Float32`.
#[derive(Debug)]
pub enum Operand<'a> {
    /// A tensor that stays.
    Borrowed(&'a Tensor),
    /// A tensor that is used up.
    Owned(Tensor),
    /// One number for all elements.
    Number(Scalar),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::Borrowed(tensor)
    }
}

impl From<Tensor> for Operand<'_> {
    fn from(tensor: Tensor) -> Self {
        Self::Owned(tensor)
    }
}

macro_rules! numbers {
    ($($number:ty => $variant:ident as $wide:ty),*) => {$(
        impl From<$number> for Scalar {
            fn from(number: $number) -> Self {
                Scalar::$variant(<$wide>::from(number))
            }
        }

        impl From<$number> for Operand<'_> {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}

numbers!(f64 => Float as f64, f32 => Float as f64, i64 => Int as i64, i32 => Int as i64);

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        impl<'a, T: Into<Operand<'a>>> $operator<T> for &Tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: T) -> Tensor {
                or_panic(Tensor::$method(self, other))
            }
        }

        impl<'a, T: Into<Operand<'a>>> $operator<T> for Tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: T) -> Tensor {
                or_panic(Tensor::$method(&self, other))
            }
        }
    )*};
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl Neg for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        or_panic(Tensor::neg(self))
    }
}

impl Neg for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        or_panic(Tensor::neg(&self))
    }
}

/// Operators cannot return errors; the message of the panic ends up before the user, with the plugin's line.
#[track_caller]
pub(crate) fn or_panic<T>(result: crate::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
