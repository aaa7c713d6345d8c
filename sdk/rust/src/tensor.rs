use crate::{Result, TensorList, bindings::brewer::plugin::tensor::Tensor as Handle, operators::or_panic};

pub use crate::bindings::brewer::plugin::tensor::Kind;

/// A tensor that the host holds. No method changes it; a negative dimension counts from the end, and reductions go over
/// all dimensions where they are given none.
#[derive(Debug)]
pub struct Tensor(Handle);

/// Another handle to the same tensor.
impl Clone for Tensor {
    #[track_caller]
    fn clone(&self) -> Self {
        or_panic(self.share())
    }
}

impl Tensor {
    pub(crate) fn new(handle: Handle) -> Self {
        Self(handle)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0
    }

    pub(crate) fn into_handle(self) -> Handle {
        self.0
    }

    /// Tensors joined along a dimension that they have: two of `[a, b]` give `[2a, b]` for dim 0.
    pub fn cat(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
        TensorList::of(tensors.iter().copied())?.cat(dim)
    }

    /// Tensors of one shape joined along a new dimension: two of `[a, b]` give `[2, a, b]` for dim 0.
    pub fn stack(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
        TensorList::of(tensors.iter().copied())?.stack(dim)
    }

    /// The size of each dimension; empty for a scalar.
    pub fn shape(&self) -> Vec<i64> {
        self.0.shape()
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape().iter().product::<i64>() as usize
    }

    /// The kind of its elements.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }
}
