//! Reductions, and what is normalised along a dimension.

use brewer::libtorch::guarded;
use tch::{Kind, TchError, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{dimensions, elements, floating, is_float, rows_along},
    cost::{COPY, Each, Estimate},
    elementwise::of_one,
};
use crate::{
    error::{OpError, OpResult},
    state::State,
};

type Handle = Resource<Tensor>;

impl State {
    /// Reduces `dims`, or all.
    pub(super) fn reduce(
        &mut self,
        this: Handle,
        dims: &[i64],
        each: Each,
        op: impl FnOnce(&Tensor, &[i64]) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let shape = this.size();
        let dims = dimensions(dims, shape.len())?;
        let kept = (0..).zip(&shape).filter(|(dim, _)| !dims.contains(dim)).map(|(_, &size)| size);
        let result = elements(&kept.collect::<Vec<_>>())?;
        // A sum of integers is an `int64`, and libtorch makes them all so before it adds them up.
        let kind = this.f_kind()?;
        let kind = if is_float(kind) { kind } else { Kind::Int64 };
        let from = elements(&shape)?;
        let estimate = Estimate::reduced(result, from, kind, each).in_kind(&[&this])?;
        let estimate = estimate.work(result.saturating_mul(COPY)).rows(result, each);
        self.admit(&estimate.gradients(&[&this], from, each))?;
        self.hold(guarded(|| op(&this, &dims))?)
    }

    pub(super) fn float_reduce(
        &mut self,
        this: Handle,
        dims: &[i64],
        each: Each,
        op: impl FnOnce(&Tensor, &[i64]) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        floating(self.handles.get(&this)?)?;
        self.reduce(this, dims, each, op)
    }

    /// Like [`State::reduce`], for what is not defined without an element.
    pub(super) fn reduce_some(
        &mut self,
        this: Handle,
        dims: &[i64],
        each: Each,
        op: impl FnOnce(&Tensor, &[i64]) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        let shape = self.handles.get(&this)?.size();
        if dimensions(dims, shape.len())?.iter().any(|&dim| shape[dim as usize] == 0) {
            return Err(OpError::shape(format!("{shape:?} has no element to take the largest or smallest of")));
        }
        self.reduce(this, dims, each, op)
    }

    /// A softmax of some sort along one dimension.
    pub(super) fn along(
        &mut self,
        this: Handle,
        dim: i64,
        op: impl FnOnce(&Tensor, i64) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        floating(&this)?;
        let (dim, rows) = rows_along(&this.size(), dim)?;
        self.admit(&of_one(&this, Each::SOFTMAX)?.in_order(&this)?.rows(rows, Each::SOFTMAX))?;
        self.hold(op(&this, dim as i64)?)
    }
}
