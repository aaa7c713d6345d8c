use tch::{Kind, Reduction, Tensor};

use super::{KdInputs, KdLoss};
use crate::Result;

/// Mean squared error of the softened logits, `(s/τ − t/τ)²` averaged over classes
/// (Ba and Caruana, “Do Deep Nets Really Need to be Deep?”, arXiv:1312.6184, with a temperature).
pub struct KdMse;

impl KdLoss for KdMse {
    fn name(&self) -> &str {
        "mse"
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let KdInputs { student, teacher, temperature, .. } = inputs;
        let squares = temperature.soften(student)?.f_mse_loss(&temperature.soften(teacher)?, Reduction::None)?;
        Ok(squares.f_mean_dim(-1, false, None::<Kind>)?)
    }
}
