// Generated from wit/ by `cargo xtask sdk`; do not edit.
use crate::{Operand, Result, Scalar, Tensor, bindings::brewer::plugin::tensor::Kind};

impl Tensor {
    /// Another handle to the same tensor.
    pub fn share(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().share()?))
    }

    /// The same elements without a gradient.
    pub fn detach(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().detach()?))
    }

    /// The elements converted: to integers by cutting off, to `Boolean` by `!= 0`.
    pub fn to_kind(&self, kind: Kind) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().to_kind(kind)?))
    }

    /// The elements at one index of a dimension, which vanishes: `[a, b, c]` becomes `[a, c]` for dim 1. A negative
    /// index counts from the end.
    pub fn select(&self, dim: i64, index: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().select(dim, index)?))
    }

    /// The elements `start..start + length` of a dimension: `[a, b]` becomes `[a, length]` for dim 1.
    pub fn narrow(&self, dim: i64, start: i64, length: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().narrow(dim, start, length)?))
    }

    /// Another shape with as many elements; one size may be -1 and follows from the others.
    pub fn reshape(&self, shape: &[i64]) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().reshape(shape)?))
    }

    /// The dimensions in another order; each is named once.
    pub fn permute(&self, dims: &[i64]) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().permute(dims)?))
    }

    /// Two dimensions exchanged.
    pub fn transpose(&self, first: i64, second: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().transpose(first, second)?))
    }

    /// Without dimension `dim` if its size is 1, unchanged otherwise.
    pub fn squeeze(&self, dim: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().squeeze(dim)?))
    }

    /// With a dimension of size 1 put in before `dim`; -1 appends it.
    pub fn unsqueeze(&self, dim: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().unsqueeze(dim)?))
    }

    /// Dimensions of size 1 repeated to `shape`, which may have more dimensions in front; -1 keeps a size.
    pub fn expand(&self, shape: &[i64]) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().expand(shape)?))
    }

    /// The dimensions `first..=last` made one.
    pub fn flatten(&self, first: i64, last: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().flatten(first, last)?))
    }

    /// `self + other`
    pub fn add<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().add(other.handle()),
            Operand::Owned(other) => self.handle().add(other.handle()),
            Operand::Number(number) => self.handle().add_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self - other`
    pub fn sub<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().sub(other.handle()),
            Operand::Owned(other) => self.handle().sub(other.handle()),
            Operand::Number(number) => self.handle().sub_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self * other`
    pub fn mul<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().mul(other.handle()),
            Operand::Owned(other) => self.handle().mul(other.handle()),
            Operand::Number(number) => self.handle().mul_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self / other`; integers give `Float32`.
    pub fn div<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().div(other.handle()),
            Operand::Owned(other) => self.handle().div(other.handle()),
            Operand::Number(number) => self.handle().div_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// The larger of each two elements.
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().maximum(other.handle())?))
    }

    /// The smaller of each two elements.
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().minimum(other.handle())?))
    }

    /// Each element raised to `exponent`.
    pub fn pow(&self, exponent: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().pow_scalar(exponent.into())?))
    }

    /// Each element, but at least `min` and at most `max`.
    pub fn clamp(&self, min: impl Into<Scalar>, max: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().clamp(Some(min.into()), Some(max.into()))?))
    }

    /// Each element, but at least `min`.
    pub fn clamp_min(&self, min: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().clamp(Some(min.into()), None)?))
    }

    /// Each element, but at most `max`.
    pub fn clamp_max(&self, max: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().clamp(None, Some(max.into()))?))
    }

    /// `-self`
    pub fn neg(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().neg()?))
    }

    /// The absolute values.
    pub fn abs(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().abs()?))
    }

    /// e to the power of each element.
    pub fn exp(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().exp()?))
    }

    /// The natural logarithm.
    pub fn log(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().log()?))
    }

    /// The square roots; NaN of negative numbers.
    pub fn sqrt(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().sqrt()?))
    }

    /// The hyperbolic tangents.
    pub fn tanh(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().tanh()?))
    }

    /// `1 / (1 + exp(-self))`
    pub fn sigmoid(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().sigmoid()?))
    }

    /// Each element, but at least 0.
    pub fn relu(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().relu()?))
    }

    /// The exact GELU, by the error function.
    pub fn gelu(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().gelu()?))
    }

    /// `self == other`
    pub fn eq<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().eq(other.handle()),
            Operand::Owned(other) => self.handle().eq(other.handle()),
            Operand::Number(number) => self.handle().eq_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self != other`
    pub fn ne<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().ne(other.handle()),
            Operand::Owned(other) => self.handle().ne(other.handle()),
            Operand::Number(number) => self.handle().ne_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self < other`
    pub fn lt<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().lt(other.handle()),
            Operand::Owned(other) => self.handle().lt(other.handle()),
            Operand::Number(number) => self.handle().lt_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self <= other`
    pub fn le<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().le(other.handle()),
            Operand::Owned(other) => self.handle().le(other.handle()),
            Operand::Number(number) => self.handle().le_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self > other`
    pub fn gt<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().gt(other.handle()),
            Operand::Owned(other) => self.handle().gt(other.handle()),
            Operand::Number(number) => self.handle().gt_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// `self >= other`
    pub fn ge<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let handle = match other.into() {
            Operand::Borrowed(other) => self.handle().ge(other.handle()),
            Operand::Owned(other) => self.handle().ge(other.handle()),
            Operand::Number(number) => self.handle().ge_scalar(number),
        };
        Ok(Tensor::new(handle?))
    }

    /// True where both are not zero.
    pub fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().logical_and(other.handle())?))
    }

    /// True where one or both are not zero.
    pub fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().logical_or(other.handle())?))
    }

    /// True where the element is zero.
    pub fn logical_not(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().logical_not()?))
    }

    /// `self` where `condition` (a `Boolean` tensor) holds and `other` elsewhere; all three broadcast.
    pub fn where_(&self, condition: &Tensor, other: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().where_(condition.handle(), other.handle())?))
    }

    /// The sum over `dims`. Integers and `Boolean` give `Int64`.
    pub fn sum(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().sum(dims, keep_dims)?))
    }

    /// The mean over `dims` of a floating-point tensor.
    pub fn mean(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().mean(dims, keep_dims)?))
    }

    /// The logarithm of the sum of the exponentials over `dims` of a floating-point tensor, computed stably: what a
    /// softmax divides by, for losses that are made of parts of one.
    pub fn logsumexp(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().logsumexp(dims, keep_dims)?))
    }

    /// The largest elements over `dims`; a gradient is shared evenly among equal ones.
    pub fn max(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().max(dims, keep_dims)?))
    }

    /// The smallest elements over `dims`; a gradient is shared evenly among equal ones.
    pub fn min(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().min(dims, keep_dims)?))
    }

    /// The `p`-norm over `dims` of a floating-point tensor: 2 for the Euclidean one.
    pub fn norm(&self, p: f64, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().norm(p, dims, keep_dims)?))
    }

    /// Whether any element over `dims` is not zero.
    pub fn any(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().any(dims, keep_dims)?))
    }

    /// Whether no element over `dims` is zero.
    pub fn all(&self, dims: &[i64], keep_dims: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().all(dims, keep_dims)?))
    }

    /// The index of the largest element along `dim`, as `Int64`. The dimension vanishes, or stays with size 1 if
    /// `keep_dim`.
    pub fn argmax(&self, dim: i64, keep_dim: bool) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().argmax(dim, keep_dim)?))
    }

    /// Softmax of a floating-point tensor along `dim`.
    pub fn softmax(&self, dim: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().softmax(dim)?))
    }

    /// The logarithm of the softmax along `dim`, computed stably.
    pub fn log_softmax(&self, dim: i64) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().log_softmax(dim)?))
    }

    /// The matrix product: `[…, n, k]` by `[…, k, m]` gives `[…, n, m]`; the dimensions in front broadcast; one
    /// dimension is a vector. Both tensors have one kind.
    ///
    /// Errors: `bad-shape`, `bad-kind`, `over-limit`.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().matmul(other.handle())?))
    }

    /// The elements that `index` (`Int64`, of as many dimensions) names: each of its elements picks the element of
    /// `self` at that index of `dim` and its own place elsewhere.
    ///
    /// Errors: `bad-dimension`, `bad-shape`, `bad-kind`; for an index outside `bad-argument` with the permission
    /// `read-values`, while without it the call ends, because the error would tell what the index holds.
    pub fn gather(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().gather(dim, index.handle())?))
    }

    /// The parts of `dim` that `index` (`Int64`, `[n]`) names: `[a, b]` becomes `[a, n]` for dim 1.
    ///
    /// Errors: as for `gather`.
    pub fn index_select(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().index_select(dim, index.handle())?))
    }

    /// `value` where `mask` (`Boolean`, broadcast to `self`) holds and `self` elsewhere.
    ///
    /// Errors: `bad-kind`, `bad-shape`, `over-limit`.
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().masked_fill(mask.handle(), value.into())?))
    }

    /// The elements where `mask` (`Boolean`; both broadcast) holds, as `[n]`. How many there are tells what the mask
    /// holds, so the experiment must permit it; a loss that multiplies by the mask needs no permission.
    ///
    /// Errors: `not-permitted`, `bad-kind`, `bad-shape`, `over-limit`.
    ///
    /// Needs the permission `read-values`.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.handle().masked_select(mask.handle())?))
    }
}
