//! What operations take, by estimate and before they are done: libtorch allocates first and cannot be interrupted, and
//! what the gradient of an operation takes shows only after the call, in the engine.
//!
//! The numbers are bounds for a modest machine and large tensors: an element costs as many multiply-adds of `float32` as take
//! the same time, a tenth of a nanosecond each on one core. Memory is what most operations wait for. `calibration.rs`
//! measures them.

use tch::{Device, Kind, Tensor};

use super::checks::is_float;
use crate::{
    error::OpResult,
    limits::{Cost, check_elements, cores},
    state::State,
};

/// What an element costs that is copied or filled in.
pub(crate) const COPY: u64 = 20;

/// What an element costs that lies far from the one before: memory is waited for.
pub(super) const MISS: u64 = 400;

/// What a matrix of a batch costs beside its elements, and a row of what is normalised.
pub(super) const PART: u64 = 1_000;

/// What a call costs that libtorch makes for a single index or a small matrix. It makes one after the other.
pub(super) const CALL: u64 = 2_000;

/// What a node of the gradient graph costs whatever its size: some microseconds.
const NODE: u64 = 50_000;

/// What an operation does with each element, in tensors of `float32`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Each {
    /// Multiply-adds.
    work: u64,
    /// Tensors of the result's size that it makes beside the result.
    temporaries: u64,
    /// Tensors of the result's size that the gradient of one operand makes; none if there is no gradient.
    gradients: u64,
    /// Multiply-adds for each row that is normalised or made into one number, beside those for its elements.
    row: u64,
}

impl Each {
    /// A comparison, or a rule of logic.
    pub(super) const LOGIC: Self = Self { work: 20, temporaries: 0, gradients: 0, row: 0 };
    /// A sum, a difference.
    pub(super) const SIMPLE: Self = Self { work: 20, temporaries: 0, gradients: 1, row: 0 };
    /// A product.
    pub(super) const PRODUCT: Self = Self { work: 20, temporaries: 0, gradients: 2, row: 0 };
    /// A quotient, an absolute value, a clamp.
    pub(super) const QUOTIENT: Self = Self { work: 40, temporaries: 0, gradients: 3, row: 0 };
    /// The larger or the smaller of two, whose gradient goes to both where they are equal.
    pub(super) const LARGER: Self = Self { work: 60, temporaries: 0, gradients: 4, row: 0 };
    /// A choice by a mask, which no processor foresees.
    pub(super) const CHOICE: Self = Self { work: 80, temporaries: 0, gradients: 2, row: 0 };
    /// An exponential, a logarithm, a root, or what is made of them.
    pub(super) const FUNCTION: Self = Self { work: 60, temporaries: 0, gradients: 2, row: 0 };
    pub(super) const POWER: Self = Self { work: 150, temporaries: 0, gradients: 4, row: 0 };
    /// A largest element, whose gradient is shared among equal ones.
    pub(super) const EXTREME: Self = Self { work: 40, temporaries: 0, gradients: 3, row: 0 };
    /// The place of a largest element.
    pub(super) const PLACE: Self = Self { work: 60, temporaries: 0, gradients: 0, row: 0 };
    pub(super) const NORM: Self = Self { work: 120, temporaries: 1, gradients: 4, row: PART };
    /// Softmax and its logarithm.
    pub(super) const SOFTMAX: Self = Self { work: 280, temporaries: 0, gradients: 2, row: PART };
    /// The logarithm of a sum of exponentials: libtorch makes them beside the result, and once more for the gradient.
    pub(super) const LOG_SUM: Self = Self { work: 120, temporaries: 1, gradients: 3, row: PART };
    /// A loss that libtorch computes in one go.
    pub(super) const LOSS: Self = Self { work: 40, temporaries: 1, gradients: 3, row: 0 };
    /// A loss that libtorch puts together.
    pub(super) const COMPOSED_LOSS: Self = Self { work: 200, temporaries: 4, gradients: 4, row: 0 };
}

/// The size of so many elements.
pub(crate) fn bytes(elements: u64, kind: Kind) -> u64 {
    elements.saturating_mul(kind.elt_size_in_bytes() as u64)
}

/// What an operation takes.
#[derive(Debug)]
pub(super) struct Estimate {
    /// Of the result.
    elements: u64,
    kind: Kind,
    cost: Cost,
}

impl Estimate {
    /// A result of `elements` elements of `kind` that are made of as many.
    pub(super) fn new(elements: u64, kind: Kind, each: Each) -> Self {
        Self::reduced(elements, elements, kind, each)
    }

    /// A view of `elements` elements of `kind`: it takes nothing, but what is computed from it takes time.
    pub(super) fn view(elements: u64, kind: Kind) -> Self {
        Self { elements, kind, cost: Cost::default() }
    }

    /// A result of `elements` elements of `kind` that are made of `from`.
    pub(super) fn reduced(elements: u64, from: u64, kind: Kind, each: Each) -> Self {
        let cost = Cost {
            work: from.saturating_mul(each.work).saturating_mul(slowness(kind)),
            bytes: bytes(elements, kind).saturating_add(bytes(from, kind).saturating_mul(each.temporaries)),
            ..Cost::default()
        };
        Self { elements, kind, cost }
    }

    /// And `work` multiply-adds.
    pub(super) fn work(mut self, work: u64) -> Self {
        self.cost.work = self.cost.work.saturating_add(work);
        self
    }

    /// And what so many rows take.
    pub(super) fn rows(self, rows: u64, each: Each) -> Self {
        self.work(rows.saturating_mul(each.row))
    }

    /// And a copy of so many elements, that lives as long as the operation runs.
    pub(super) fn copy(mut self, elements: u64, kind: Kind) -> Self {
        self.cost.bytes = self.cost.bytes.saturating_add(bytes(elements, kind));
        self.work(elements.saturating_mul(COPY))
    }

    /// And a copy of `tensor` if its elements do not lie in memory in their order.
    pub(super) fn in_order(self, tensor: &Tensor) -> OpResult<Self> {
        if tensor.is_contiguous() { Ok(self) } else { Ok(self.copy(tensor.numel() as u64, tensor.f_kind()?)) }
    }

    /// And copies of operands in the result's kind, where theirs is another.
    pub(super) fn in_kind(mut self, operands: &[&Tensor]) -> OpResult<Self> {
        for operand in operands {
            if operand.f_kind()? != self.kind {
                let kind = self.kind;
                self = self.copy(operand.numel() as u64, kind);
            }
        }
        Ok(self)
    }

    /// And the gradient of each operand that needs one: `each.gradients` tensors as large as what the result was made of.
    pub(super) fn gradients(mut self, operands: &[&Tensor], from: u64, each: Each) -> Self {
        if each.gradients == 0 {
            return self;
        }
        let tensors = from.saturating_mul(each.gradients);
        let bytes = bytes(tensors, self.kind);
        let work = from.saturating_mul(each.work).saturating_add(tensors.saturating_mul(COPY));
        let work = work.saturating_mul(slowness(self.kind));
        for _ in operands.iter().filter(|operand| operand.requires_grad()) {
            self = self.gradient(bytes, work);
        }
        self
    }

    #[cfg(test)]
    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    /// And a gradient that takes so much.
    pub(super) fn gradient(mut self, bytes: u64, work: u64) -> Self {
        self.cost.gradient_bytes = self.cost.gradient_bytes.saturating_add(bytes);
        self.cost.gradient_work = self.cost.gradient_work.saturating_add(work).saturating_add(NODE);
        self
    }
}

/// How much longer an element of that kind takes.
pub(super) fn slowness(kind: Kind) -> u64 {
    match kind {
        Kind::Half | Kind::BFloat16 => 4,
        Kind::Double | Kind::Int64 => 2,
        _ => 1,
    }
}

/// What one multiply-add costs in a product with matrices of `right` elements each on the right. Processors multiply
/// matrices of `float32` and `float64` with all their might; others element by element where they have no instructions for
/// them, on one core, and columns of what is larger than their caches come from memory. The numbers of those are of a machine
/// of two cores, and count for as many times more as there are more cores, which are idle meanwhile.
pub(super) fn multiply_add(kind: Kind, right: u64, device: Device) -> u64 {
    const CACHED: u64 = 1 << 21;
    let far = if right > CACHED { 4 } else { 1 };
    let idle = cores(device).div_ceil(2);
    match (kind, device) {
        (Kind::Float, _) => 1,
        (Kind::Double, Device::Cpu) => 2,
        (Kind::Half | Kind::BFloat16, Device::Cpu) => 40 * far * idle,
        (_, Device::Cpu) => 20 * far * idle,
        (Kind::Half | Kind::BFloat16, _) => 1,
        (_, _) => 50,
    }
}

/// `work` that one core does while the others wait, in multiply-adds of all together.
pub(super) fn serial(work: u64, device: Device) -> u64 {
    work.saturating_mul(cores(device))
}

/// The kind that operands promote to.
pub(super) fn promoted(left: &Tensor, right: &Tensor) -> OpResult<Kind> {
    let (left, right) = (left.f_kind()?, right.f_kind()?);
    let is_less = left == Kind::Bool || left.elt_size_in_bytes() < right.elt_size_in_bytes();
    let (wider, other) = if is_less { (right, left) } else { (left, right) };
    Ok(match (is_float(wider), is_float(other)) {
        // Two halves of different kinds meet in `float32`.
        (true, true) if wider != other && wider.elt_size_in_bytes() == other.elt_size_in_bytes() => Kind::Float,
        (false, true) => other,
        _ => wider,
    })
}

impl State {
    /// Admits an operation, or refuses it before anything of it is done.
    pub(super) fn admit(&mut self, estimate: &Estimate) -> OpResult<()> {
        check_elements(&self.limits, estimate.elements)?;
        self.handles.reserve(&self.limits, 1)?;
        self.spend(&estimate.cost)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(kind: Kind) -> Tensor {
        Tensor::zeros([2], (kind, Device::Cpu))
    }

    #[test]
    fn kinds_promote_as_in_libtorch() {
        let kinds = [
            Kind::Half,
            Kind::BFloat16,
            Kind::Float,
            Kind::Double,
            Kind::Uint8,
            Kind::Int8,
            Kind::Int16,
            Kind::Int,
            Kind::Int64,
            Kind::Bool,
        ];
        for left in kinds {
            for right in kinds {
                let (left, right) = (zeros(left), zeros(right));
                let (found, expected) = (promoted(&left, &right).unwrap(), (&left + &right).kind());
                // The one exception: `uint8` and `int8` meet in `int16`.
                let fits = found == expected || expected == Kind::Int16;
                assert!(fits, "{:?} and {:?}: {found:?}, not {expected:?}", left.kind(), right.kind());
            }
        }
    }

    #[test]
    fn a_gradient_costs_what_its_operands_need() {
        let constant = zeros(Kind::Float);
        let trained = zeros(Kind::Float).set_requires_grad(true);
        let cost = |operands: &[&Tensor]| {
            Estimate::new(10, Kind::Float, Each::PRODUCT).gradients(operands, 10, Each::PRODUCT).cost
        };
        assert_eq!(cost(&[&constant, &constant]).gradient_bytes, 0);
        assert_eq!(cost(&[&trained, &constant]).gradient_bytes, 80);
        assert_eq!(cost(&[&trained, &trained]).gradient_bytes, 160);
        assert_eq!(Estimate::new(10, Kind::Float, Each::LOGIC).gradients(&[&trained], 10, Each::LOGIC).cost.bytes, 40);
    }
}
