//! Operations that give one element for each element, or for each pair.

use brewer::libtorch::guarded;
use tch::{Kind, Scalar, TchError, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{broadcast, elements, floating, is_float, of_kind},
    cost::{COPY, Each, Estimate, bytes, promoted},
    kind::number,
};
use crate::{
    bindings::tensor,
    error::{OpError, OpResult},
    state::State,
};

type Handle = Resource<Tensor>;

/// What an operation on one tensor takes. Integers may become `float32`, or be copied to meet a number.
pub(super) fn of_one(this: &Tensor, each: Each) -> OpResult<Estimate> {
    let (elements, kind) = (elements(&this.size())?, this.f_kind()?);
    let kind = if is_float(kind) || kind == Kind::Bool { kind } else { Kind::Int64 };
    Ok(Estimate::new(elements, kind, each).in_kind(&[this])?.gradients(&[this], elements, each))
}

/// What an operation on two tensors takes that broadcast to `elements` elements. Integers become `float32` before they are
/// divided.
pub(super) fn of_two(left: &Tensor, right: &Tensor, elements: u64, each: Each) -> OpResult<Estimate> {
    let (kind, operands) = (promoted(left, right)?, [left, right]);
    let estimate = Estimate::new(elements, kind, each).in_kind(&operands)?.gradients(&operands, elements, each);
    Ok(if is_float(kind) { estimate } else { estimate.copy(elements, Kind::Int64) })
}

impl State {
    pub(super) fn unary(
        &mut self,
        this: Handle,
        each: Each,
        op: fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        self.admit(&of_one(&this, each)?)?;
        self.hold(op(&this)?)
    }

    /// Like [`State::unary`] for operations that are defined on floating-point numbers alone.
    pub(super) fn float_unary(
        &mut self,
        this: Handle,
        each: Each,
        op: impl FnOnce(&Tensor) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        floating(&this)?;
        self.admit(&of_one(&this, each)?.in_order(&this)?)?;
        self.hold(op(&this)?)
    }

    pub(super) fn binary(
        &mut self,
        this: Handle,
        other: Handle,
        each: Each,
        op: fn(&Tensor, &Tensor) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let (this, other) = (self.tensor(&this)?, self.tensor(&other)?);
        let elements = elements(&broadcast(&this.size(), &other.size())?)?;
        self.admit(&of_two(&this, &other, elements, each)?)?;
        self.hold(op(&this, &other)?)
    }

    pub(super) fn with_scalar(
        &mut self,
        this: Handle,
        other: tensor::Scalar,
        each: Each,
        op: fn(&Tensor, Scalar) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        self.admit(&of_one(&this, each)?)?;
        self.hold(guarded(|| op(&this, number(other)))?)
    }

    pub(super) fn clamp_between(
        &mut self,
        this: Handle,
        min: Option<tensor::Scalar>,
        max: Option<tensor::Scalar>,
    ) -> OpResult<Handle> {
        match (min, max) {
            (None, None) => Err(OpError::argument("clamp needs a minimum or a maximum")),
            (Some(min), None) => self.with_scalar(this, min, Each::QUOTIENT, Tensor::f_clamp_min),
            (None, Some(max)) => self.with_scalar(this, max, Each::QUOTIENT, Tensor::f_clamp_max),
            (Some(min), Some(max)) => {
                self.operation()?;
                let this = self.tensor(&this)?;
                self.admit(&of_one(&this, Each::QUOTIENT)?)?;
                self.hold(guarded(|| this.f_clamp(number(min), number(max)))?)
            }
        }
    }

    pub(super) fn choose(&mut self, this: Handle, condition: Handle, other: Handle) -> OpResult<Handle> {
        self.operation()?;
        let (this, condition, other) = (self.tensor(&this)?, self.tensor(&condition)?, self.tensor(&other)?);
        of_kind(&condition, Kind::Bool)?;
        let shape = broadcast(&broadcast(&this.size(), &other.size())?, &condition.size())?;
        let elements = elements(&shape)?;
        self.admit(&of_two(&this, &other, elements, Each::CHOICE)?)?;
        self.hold(this.f_where_self(&condition, &other)?)
    }

    pub(super) fn fill_where(&mut self, this: Handle, mask: Handle, value: tensor::Scalar) -> OpResult<Handle> {
        self.operation()?;
        let (this, mask) = (self.tensor(&this)?, self.tensor(&mask)?);
        of_kind(&mask, Kind::Bool)?;
        let shape = this.size();
        if broadcast(&shape, &mask.size())? != shape {
            return Err(OpError::shape(format!("a mask of {:?} does not broadcast to {shape:?}", mask.size())));
        }
        let elements = elements(&shape)?;
        let estimate = Estimate::new(elements, this.f_kind()?, Each::CHOICE);
        self.admit(&estimate.gradients(&[&this], elements, Each::CHOICE))?;
        self.hold(guarded(|| this.f_masked_fill(&mask, number(value)))?)
    }

    pub(super) fn convert(&mut self, this: Handle, kind: tensor::Kind) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let kind = super::kind::to_torch(kind);
        if kind == this.f_kind()? {
            return self.hold(this);
        }
        let elements = elements(&this.size())?;
        let estimate = Estimate::new(elements, kind, Each::SIMPLE);
        let estimate = match this.requires_grad() {
            true => estimate.gradient(bytes(elements, this.f_kind()?), elements.saturating_mul(COPY)),
            false => estimate,
        };
        self.admit(&estimate)?;
        self.hold(this.f_to_kind(kind)?)
    }
}
