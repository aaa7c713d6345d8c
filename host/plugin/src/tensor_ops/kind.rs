//! Kinds and numbers, between the contract and libtorch.

use tch::{Kind, Scalar};

use crate::bindings::tensor;

pub(crate) fn kind_of(kind: Kind) -> Option<tensor::Kind> {
    Some(match kind {
        Kind::Half => tensor::Kind::Float16,
        Kind::BFloat16 => tensor::Kind::Bfloat16,
        Kind::Float => tensor::Kind::Float32,
        Kind::Double => tensor::Kind::Float64,
        Kind::Uint8 => tensor::Kind::Uint8,
        Kind::Int8 => tensor::Kind::Int8,
        Kind::Int16 => tensor::Kind::Int16,
        Kind::Int => tensor::Kind::Int32,
        Kind::Int64 => tensor::Kind::Int64,
        Kind::Bool => tensor::Kind::Boolean,
        _ => return None,
    })
}

pub(super) fn to_torch(kind: tensor::Kind) -> Kind {
    match kind {
        tensor::Kind::Float16 => Kind::Half,
        tensor::Kind::Bfloat16 => Kind::BFloat16,
        tensor::Kind::Float32 => Kind::Float,
        tensor::Kind::Float64 => Kind::Double,
        tensor::Kind::Uint8 => Kind::Uint8,
        tensor::Kind::Int8 => Kind::Int8,
        tensor::Kind::Int16 => Kind::Int16,
        tensor::Kind::Int32 => Kind::Int,
        tensor::Kind::Int64 => Kind::Int64,
        tensor::Kind::Boolean => Kind::Bool,
    }
}

/// The contract's name of a kind.
pub(crate) fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Float => "float32",
        Kind::Double => "float64",
        Kind::Uint8 => "uint8",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int => "int32",
        Kind::Int64 => "int64",
        Kind::Bool => "boolean",
        _ => "a kind outside the contract",
    }
}

pub(super) fn number(scalar: tensor::Scalar) -> Scalar {
    match scalar {
        tensor::Scalar::Float(number) => Scalar::float(number),
        tensor::Scalar::Int(number) => Scalar::int(number),
    }
}
