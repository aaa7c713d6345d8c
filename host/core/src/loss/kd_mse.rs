use tch::{Reduction, Tensor};

use super::{KdInputs, KdLoss};
use crate::Result;

/// Mean squared error of the softened logits, `mean((s/τ − t/τ)²)`
/// (Ba and Caruana, “Do Deep Nets Really Need to be Deep?”, arXiv:1312.6184, with a temperature).
pub struct KdMse;

impl KdLoss for KdMse {
    fn name(&self) -> &str {
        "mse"
    }

    fn loss(&self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let KdInputs { student, teacher, temperature, .. } = inputs;
        Ok(temperature.soften(student)?.f_mse_loss(&temperature.soften(teacher)?, Reduction::Mean)?)
    }
}
