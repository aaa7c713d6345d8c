// Generated from wit/ by `cargo xtask sdk`; do not edit.
use crate::{
    Result, Scalar, Tensor,
    bindings::brewer::plugin::tensor::{self, Kind},
};

impl Tensor {
    /// A tensor of zeros.
    pub fn zeros(shape: &[i64], kind: Kind) -> Result<Tensor> {
        Ok(Tensor::new(tensor::zeros(shape, kind)?))
    }

    /// A tensor of ones.
    pub fn ones(shape: &[i64], kind: Kind) -> Result<Tensor> {
        Ok(Tensor::new(tensor::ones(shape, kind)?))
    }

    /// A tensor of one value.
    pub fn full(shape: &[i64], value: impl Into<Scalar>, kind: Kind) -> Result<Tensor> {
        Ok(Tensor::new(tensor::full(shape, value.into(), kind)?))
    }

    /// `start`, `start + step`, … below `end` (above it for a negative step), as `[n]`.
    ///
    /// Errors: `bad-argument` for a step of 0, a step away from `end`, or a number that is not finite.
    pub fn arange(
        start: impl Into<Scalar>,
        end: impl Into<Scalar>,
        step: impl Into<Scalar>,
        kind: Kind,
    ) -> Result<Tensor> {
        Ok(Tensor::new(tensor::arange(start.into(), end.into(), step.into(), kind)?))
    }
}
