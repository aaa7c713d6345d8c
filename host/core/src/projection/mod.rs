//! Projections: from the student's feature size to the teacher's.

mod linear;

use tch::{Device, Tensor};

pub use linear::{Activation, LinearProjection};

use crate::Result;
use crate::model::Parameters;

/// Maps the student's features to the teacher's size before a match compares them.
pub trait Projection {
    /// `[…, dim_S]` to `[…, dim_T]`.
    fn project(&self, features: &Tensor) -> Result<Tensor>;

    /// Its trainable parameters.
    fn parameters(&self) -> &Parameters;
}

/// The kinds of projection that `proj` may name.
pub const PROJECTIONS: &[&str] = &["linear", "relu", "tanh"];

/// A new projection of that kind from `dim_student` to `dim_teacher`.
pub fn projection(
    kind: &str,
    dim_student: i64,
    dim_teacher: i64,
    device: Device,
) -> Result<Option<Box<dyn Projection>>> {
    let activation = match kind {
        "linear" => Activation::None,
        "relu" => Activation::Relu,
        "tanh" => Activation::Tanh,
        _ => return Ok(None),
    };
    Ok(Some(Box::new(LinearProjection::new(dim_student, dim_teacher, activation, device)?)))
}
