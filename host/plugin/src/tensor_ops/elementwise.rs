//! Operations that give one element for each element, or for each pair.

use brewer::libtorch::guarded;
use tch::{Kind, Scalar, TchError, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{broadcast, elements, floating, of_kind},
    kind::number,
};
use crate::{
    bindings::tensor,
    error::{OpError, OpResult},
    state::State,
};

type Handle = Resource<Tensor>;

/// The size of an element that two operands promote to; integers may become `float32`.
fn promoted_bytes(left: &Tensor, right: &Tensor) -> OpResult<usize> {
    Ok(left.f_kind()?.elt_size_in_bytes().max(right.f_kind()?.elt_size_in_bytes()).max(4))
}

impl State {
    pub(super) fn unary(&mut self, this: Handle, op: fn(&Tensor) -> Result<Tensor, TchError>) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let elements = elements(&this.size())?;
        self.admit(elements, promoted_bytes(&this, &this)?, elements)?;
        self.hold(op(&this)?)
    }

    /// Like [`State::unary`] for operations that are defined on floating-point numbers alone.
    pub(super) fn float_unary(
        &mut self,
        this: Handle,
        op: impl FnOnce(&Tensor) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        floating(&this)?;
        let elements = elements(&this.size())?;
        self.admit(elements, this.f_kind()?.elt_size_in_bytes(), elements)?;
        self.hold(op(&this)?)
    }

    pub(super) fn binary(
        &mut self,
        this: Handle,
        other: Handle,
        op: fn(&Tensor, &Tensor) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let (this, other) = (self.tensor(&this)?, self.tensor(&other)?);
        let elements = elements(&broadcast(&this.size(), &other.size())?)?;
        self.admit(elements, promoted_bytes(&this, &other)?, elements)?;
        self.hold(op(&this, &other)?)
    }

    pub(super) fn with_scalar(
        &mut self,
        this: Handle,
        other: tensor::Scalar,
        op: fn(&Tensor, Scalar) -> Result<Tensor, TchError>,
    ) -> OpResult<Handle> {
        self.operation()?;
        let this = self.tensor(&this)?;
        let elements = elements(&this.size())?;
        self.admit(elements, promoted_bytes(&this, &this)?, elements)?;
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
            (Some(min), None) => self.with_scalar(this, min, Tensor::f_clamp_min),
            (None, Some(max)) => self.with_scalar(this, max, Tensor::f_clamp_max),
            (Some(min), Some(max)) => {
                self.operation()?;
                let this = self.tensor(&this)?;
                let elements = elements(&this.size())?;
                self.admit(elements, promoted_bytes(&this, &this)?, elements)?;
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
        self.admit(elements, promoted_bytes(&this, &other)?, elements)?;
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
        self.admit(elements, this.f_kind()?.elt_size_in_bytes(), elements)?;
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
        self.admit(elements, kind.elt_size_in_bytes(), elements)?;
        self.hold(this.f_to_kind(kind)?)
    }
}
