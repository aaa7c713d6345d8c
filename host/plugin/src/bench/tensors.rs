//! Making tensors up.

use brewer::libtorch;
use tch::{Device, Kind, Tensor};

use super::cases::{SpecKind, TensorSpec};

/// The tensor of a description; what cannot be made is an error for the author.
pub(super) fn make(name: &str, spec: &TensorSpec) -> Result<Tensor, String> {
    let refused = |error: tch::TchError| format!("{name}: {}", libtorch::message(&error));
    let TensorSpec { shape, kind, below, values } = spec;
    let elements = shape.iter().try_fold(1_i64, |product, &size| product.checked_mul(size).filter(|_| size >= 0));
    if elements.is_none_or(|elements| elements > 1 << 28) {
        return Err(format!("{name}: the shape {shape:?} is not one that can be made up"));
    }
    let made = match (values, kind) {
        (Some(values), _) => {
            let flat = Tensor::f_from_slice(values).map_err(refused)?;
            flat.f_reshape(shape).map_err(refused)?.f_to_kind(kind.kind()).map_err(refused)?
        }
        (None, SpecKind::Float32) => Tensor::f_randn(shape, (Kind::Float, Device::Cpu)).map_err(refused)?,
        (None, _) => {
            let integers = Tensor::f_randint((*below).max(1), shape, (Kind::Int64, Device::Cpu)).map_err(refused)?;
            integers.f_to_kind(kind.kind()).map_err(refused)?
        }
    };
    Ok(made)
}

impl SpecKind {
    fn kind(self) -> Kind {
        match self {
            SpecKind::Float32 => Kind::Float,
            SpecKind::Int64 => Kind::Int64,
            SpecKind::Bool => Kind::Bool,
        }
    }
}
