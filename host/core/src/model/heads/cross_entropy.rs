use tch::{Device, Kind, Reduction, Tensor};

use crate::Result;
use crate::model::inputs::{check_integers, check_range};

/// The label that counts for nothing.
const IGNORED: i64 = -100;

/// The mean cross-entropy of `logits` `[…, labels]` against `labels` `[…]`, a scalar. A label of −100 is ignored. The
/// mean over none is 0, with a gradient of 0: a batch without labels teaches nothing. In torch it is NaN.
pub(super) fn loss(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let shape = logits.size();
    let Some((&num_labels, shape)) = shape.split_last() else { return Ok(logits.shallow_clone()) };
    check_integers("labels", labels, shape, logits.device())?;
    if labels.device() == Device::Cpu {
        let counted = labels.f_masked_select(&labels.f_ne(IGNORED)?)?;
        check_range("labels", &counted, num_labels, "classes, and -100 is ignored")?;
    }
    let labels = labels.f_reshape([-1])?.f_to_kind(Kind::Int64)?;
    let sum = logits.f_reshape([-1, num_labels])?.f_cross_entropy_loss(
        &labels,
        None::<&Tensor>,
        Reduction::Sum,
        IGNORED,
        0.0,
    )?;
    // torch computes its mean by the same division, so this has its bits.
    let count = labels.f_ne(IGNORED)?.f_sum(Kind::Float)?.f_clamp_min(1)?;
    Ok(sum.f_div(&count)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(loss: &Tensor, logits: &Tensor) -> Tensor {
        Tensor::run_backward(&[loss], &[logits], false, false).remove(0)
    }

    #[test]
    fn is_torchs_mean_to_the_bit() {
        tch::manual_seed(3);
        for count in [1, 2, 7, 30] {
            let logits = Tensor::randn([count, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let labels = Tensor::randint(3, [count], (Kind::Int64, Device::Cpu));
            if count > 2 {
                let _ = labels.get(1).fill_(IGNORED);
            }
            let expected = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, IGNORED, 0.0);
            let found = loss(&logits, &labels).unwrap();
            assert!(found.equal(&expected), "{count}");
            assert!(gradient(&found, &logits).equal(&gradient(&expected, &logits)), "{count}");
        }
    }

    #[test]
    fn labels_that_do_not_count_teach_nothing() {
        let logits = Tensor::randn([2, 3, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let labels = Tensor::full([2, 3], IGNORED, (Kind::Int64, Device::Cpu));
        let loss = loss(&logits, &labels).unwrap();
        assert_eq!(loss.double_value(&[]), 0.0);
        assert_eq!(gradient(&loss, &logits).abs().sum(Kind::Float).double_value(&[]), 0.0);
    }
}
