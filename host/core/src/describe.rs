//! Tensors in messages.

use tch::{Kind, Tensor};

/// `float32 [4, 7]`.
pub(crate) fn describe(tensor: &Tensor) -> String {
    let kind = match tensor.kind() {
        Kind::Float => "float32",
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Double => "float64",
        Kind::Int64 => "int64",
        Kind::Int => "int32",
        Kind::Int16 => "int16",
        Kind::Int8 => "int8",
        Kind::Uint8 => "uint8",
        Kind::Bool => "bool",
        _ => "another kind",
    };
    format!("{kind} {}", shape(&tensor.size()))
}

/// `[4, 7]`.
pub(crate) fn shape(size: &[i64]) -> String {
    format!("[{}]", size.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
}
