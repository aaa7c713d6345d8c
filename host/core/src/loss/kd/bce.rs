use tch::{Kind, Reduction, Tensor};

use super::{KdInputs, KdLoss};
use crate::{Distribution, Result};

/// Binary cross-entropy of each class on its own, for heads whose classes do not exclude each other:
/// `−[σ(t/τ)·log σ(s/τ) + (1 − σ(t/τ))·log(1 − σ(s/τ))]`, averaged over classes. Its gradient is that of the binary
/// divergences of Yang et al., “Multi-Label Knowledge Distillation”, arXiv:2308.06453, whose teacher's entropy is constant.
pub struct KdBce;

impl KdLoss for KdBce {
    fn name(&self) -> &str {
        "bce"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Sigmoid)
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let KdInputs { student, teacher, temperature, .. } = inputs;
        let target = temperature.soften(teacher)?.f_sigmoid()?;
        let logits = temperature.soften(student)?;
        let each =
            logits.f_binary_cross_entropy_with_logits(&target, None::<&Tensor>, None::<&Tensor>, Reduction::None)?;
        Ok(each.f_mean_dim(-1, false, None::<Kind>)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::temperature::Temperature;

    #[test]
    fn by_hand_with_its_gradient() {
        let student = Tensor::from_slice2(&[[2.0_f64, -4.0]]).set_requires_grad(true);
        let teacher = Tensor::from_slice2(&[[6.0_f64, 0.0]]);
        let inputs =
            KdInputs { student: &student, teacher: &teacher, temperature: &Temperature::Scalar(2.0), labels: None };
        let loss = KdBce.rows(&inputs).unwrap();
        let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        let cross_entropy =
            |target: f64, logit: f64| -target * sigmoid(logit).ln() - (1.0 - target) * (1.0 - sigmoid(logit)).ln();
        let expected = (cross_entropy(sigmoid(3.0), 1.0) + cross_entropy(sigmoid(0.0), -2.0)) / 2.0;
        assert!((loss.double_value(&[0]) - expected).abs() < 1e-12);
        // (σ(s/τ) − σ(t/τ)) / τ, over two classes.
        loss.backward();
        for (class, (logit, target)) in [(1.0, 3.0), (-2.0, 0.0)].into_iter().enumerate() {
            let expected = (sigmoid(logit) - sigmoid(target)) / 4.0;
            assert!((student.grad().double_value(&[0, class as i64]) - expected).abs() < 1e-12, "{class}");
        }
    }
}
