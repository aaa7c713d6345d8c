use crate::{
    Operand, Result, Scalar, TensorList,
    bindings::brewer::plugin::tensor::{self, Tensor as Handle},
    operators::or_panic,
};

pub use crate::bindings::brewer::plugin::tensor::Kind;

/// A tensor that the host holds. No method changes it; a negative dimension counts from the end.
#[derive(Debug)]
pub struct Tensor(Handle);

/// Methods that take nothing.
macro_rules! unary {
    ($($(#[$doc:meta])* $method:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            pub fn $method(&self) -> Result<Tensor> {
                Ok(Self(self.0.$method()?))
            }
        )*}
    };
}

/// Methods that take a tensor or a number.
macro_rules! binary {
    ($($(#[$doc:meta])* $method:ident $with_scalar:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            pub fn $method<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
                Ok(Self(match other.into() {
                    Operand::Borrowed(other) => self.0.$method(&other.0)?,
                    Operand::Owned(other) => self.0.$method(&other.0)?,
                    Operand::Number(number) => self.0.$with_scalar(number)?,
                }))
            }
        )*}
    };
}

/// Methods that reduce dimensions.
macro_rules! reductions {
    ($($(#[$doc:meta])* $method:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            pub fn $method(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
                Ok(Self(self.0.$method(dims, keep_dims)?))
            }
        )*}
    };
}

unary! {
    /// The same elements without a gradient.
    detach,
    /// `-self`
    neg,
    /// The absolute values.
    abs,
    /// e to the power of each element.
    exp,
    /// The natural logarithms.
    log,
    /// The square roots.
    sqrt,
    /// The hyperbolic tangents.
    tanh,
    /// `1 / (1 + exp(-self))`
    sigmoid,
    /// Each element, but at least 0.
    relu,
    /// The exact GELU, by the error function.
    gelu,
    /// True where the element is zero.
    logical_not,
}

binary! {
    /// `self + other`
    add add_scalar,
    /// `self - other`
    sub sub_scalar,
    /// `self * other`, element by element.
    mul mul_scalar,
    /// `self / other`; integers give `Float32`.
    div div_scalar,
    /// `self == other`, as `Boolean`.
    eq eq_scalar,
    /// `self != other`, as `Boolean`.
    ne ne_scalar,
    /// `self < other`, as `Boolean`.
    lt lt_scalar,
    /// `self <= other`, as `Boolean`.
    le le_scalar,
    /// `self > other`, as `Boolean`.
    gt gt_scalar,
    /// `self >= other`, as `Boolean`.
    ge ge_scalar,
}

reductions! {
    /// The sum over `dims`, over all if there are none. Integers and `Boolean` give `Int64`.
    sum,
    /// The mean over `dims`, over all if there are none, of floating-point numbers.
    mean,
    /// The largest elements over `dims`, over all if there are none.
    max,
    /// The smallest elements over `dims`, over all if there are none.
    min,
    /// Whether any element over `dims` (all if there are none) is not zero.
    any,
    /// Whether all elements over `dims` (all if there are none) are not zero.
    all,
}

/// Another handle to the same tensor.
impl Clone for Tensor {
    #[track_caller]
    fn clone(&self) -> Self {
        or_panic(self.0.share().map(Self).map_err(Into::into))
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

    /// A tensor of zeros, on the model's device.
    pub fn zeros(shape: &[i64], kind: Kind) -> Result<Tensor> {
        Ok(Self(tensor::zeros(shape, kind)?))
    }

    /// A tensor of ones, on the model's device.
    pub fn ones(shape: &[i64], kind: Kind) -> Result<Tensor> {
        Ok(Self(tensor::ones(shape, kind)?))
    }

    /// A tensor of one value, on the model's device.
    pub fn full(shape: &[i64], value: impl Into<Scalar>, kind: Kind) -> Result<Tensor> {
        Ok(Self(tensor::full(shape, value.into(), kind)?))
    }

    /// `start, start + step, …` below `end`, as `[n]`, on the model's device.
    pub fn arange(
        start: impl Into<Scalar>,
        end: impl Into<Scalar>,
        step: impl Into<Scalar>,
        kind: Kind,
    ) -> Result<Tensor> {
        Ok(Self(tensor::arange(start.into(), end.into(), step.into(), kind)?))
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

    /// The elements converted: to integers by cutting off, to `Boolean` by `!= 0`.
    pub fn to_kind(&self, kind: Kind) -> Result<Tensor> {
        Ok(Self(self.0.to_kind(kind)?))
    }

    /// The elements at one index of `dim`, which vanishes: `[a, b, c]` becomes `[a, c]` for dim 1.
    pub fn select(&self, dim: i64, index: i64) -> Result<Tensor> {
        Ok(Self(self.0.select(dim, index)?))
    }

    /// The elements `start..start + length` of `dim`: `[a, b]` becomes `[a, length]` for dim 1.
    pub fn narrow(&self, dim: i64, start: i64, length: i64) -> Result<Tensor> {
        Ok(Self(self.0.narrow(dim, start, length)?))
    }

    /// Another shape with as many elements; one size may be -1.
    pub fn reshape(&self, shape: &[i64]) -> Result<Tensor> {
        Ok(Self(self.0.reshape(shape)?))
    }

    /// The dimensions in another order.
    pub fn permute(&self, dims: &[i64]) -> Result<Tensor> {
        Ok(Self(self.0.permute(dims)?))
    }

    /// Two dimensions exchanged.
    pub fn transpose(&self, first: i64, second: i64) -> Result<Tensor> {
        Ok(Self(self.0.transpose(first, second)?))
    }

    /// Without `dim` if its size is 1.
    pub fn squeeze(&self, dim: i64) -> Result<Tensor> {
        Ok(Self(self.0.squeeze(dim)?))
    }

    /// With a dimension of size 1 before `dim`; -1 appends it.
    pub fn unsqueeze(&self, dim: i64) -> Result<Tensor> {
        Ok(Self(self.0.unsqueeze(dim)?))
    }

    /// Dimensions of size 1 repeated to `shape`; -1 keeps a size.
    pub fn expand(&self, shape: &[i64]) -> Result<Tensor> {
        Ok(Self(self.0.expand(shape)?))
    }

    /// The dimensions `first..=last` made one.
    pub fn flatten(&self, first: i64, last: i64) -> Result<Tensor> {
        Ok(Self(self.0.flatten(first, last)?))
    }

    /// The larger of each two elements.
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.maximum(&other.0)?))
    }

    /// The smaller of each two elements.
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.minimum(&other.0)?))
    }

    /// Each element raised to `exponent`.
    pub fn pow(&self, exponent: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Self(self.0.pow_scalar(exponent.into())?))
    }

    /// Each element, but at least `min`.
    pub fn clamp_min(&self, min: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Self(self.0.clamp(Some(min.into()), None)?))
    }

    /// Each element, but at most `max`.
    pub fn clamp_max(&self, max: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Self(self.0.clamp(None, Some(max.into()))?))
    }

    /// Each element, but at least `min` and at most `max`.
    pub fn clamp(&self, min: impl Into<Scalar>, max: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Self(self.0.clamp(Some(min.into()), Some(max.into()))?))
    }

    /// True where both are not zero.
    pub fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.logical_and(&other.0)?))
    }

    /// True where one or both are not zero.
    pub fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.logical_or(&other.0)?))
    }

    /// `self` where `condition` (`Boolean`) holds and `other` elsewhere.
    pub fn where_(&self, condition: &Tensor, other: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.where_(&condition.0, &other.0)?))
    }

    /// The `p`-norm over `dims`, over all if there are none, of floating-point numbers.
    pub fn norm(&self, p: f64, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Self(self.0.norm(p, dims, keep_dims)?))
    }

    /// The index of the largest element along `dim`, as `Int64`.
    pub fn argmax(&self, dim: i64, keep_dim: bool) -> Result<Tensor> {
        Ok(Self(self.0.argmax(dim, keep_dim)?))
    }

    /// Softmax along `dim`.
    pub fn softmax(&self, dim: i64) -> Result<Tensor> {
        Ok(Self(self.0.softmax(dim)?))
    }

    /// The logarithm of the softmax along `dim`.
    pub fn log_softmax(&self, dim: i64) -> Result<Tensor> {
        Ok(Self(self.0.log_softmax(dim)?))
    }

    /// The matrix product: `[…, n, k]` by `[…, k, m]` gives `[…, n, m]`.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.matmul(&other.0)?))
    }

    /// The elements at the indices of `dim` that `index` (`Int64`, as many dimensions) names, each in its own place elsewhere.
    pub fn gather(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.gather(dim, &index.0)?))
    }

    /// The parts of `dim` that `index` (`Int64`, `[n]`) names: `[a, b]` becomes `[a, n]` for dim 1.
    pub fn index_select(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.index_select(dim, &index.0)?))
    }

    /// `value` where `mask` (`Boolean`, broadcast to `self`) holds and `self` elsewhere.
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Self(self.0.masked_fill(&mask.0, value.into())?))
    }

    /// The elements where `mask` (`Boolean`) holds, as `[n]`. How many there are tells what the mask holds, so the
    /// experiment must permit `read-values`; a loss that multiplies by the mask needs no permission.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        Ok(Self(self.0.masked_select(&mask.0)?))
    }
}
