use tch::Tensor;

use super::optimizer::TrainedParameter;
use crate::Result;

/// Gradients summed over the batches of an optimizer step, in the order of the parameters. A parameter that no loss
/// depended on has none.
pub(super) struct Gradients {
    pub(super) sums: Vec<Option<Tensor>>,
}

impl Gradients {
    pub(super) fn new(num_parameters: usize) -> Self {
        Self { sums: (0..num_parameters).map(|_| None).collect() }
    }

    /// Adds the gradient of `loss`, a scalar.
    pub(super) fn add(&mut self, loss: &Tensor, parameters: &[TrainedParameter]) -> Result<()> {
        let tensors: Vec<&Tensor> = parameters.iter().map(|parameter| &parameter.tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        for (sum, gradient) in self.sums.iter_mut().zip(gradients) {
            if !gradient.defined() {
                continue;
            }
            *sum = Some(match sum.take() {
                Some(mut sum) => sum.f_add_(&gradient)?,
                None => gradient,
            });
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.sums.fill_with(|| None);
    }
}
