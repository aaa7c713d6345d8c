use tch::{Device, Kind, Tensor};

use crate::Result;

/// The 2-norms of gradients, on the gradients' device.
pub struct GradientNorms {
    /// Of each gradient, in their order, without the missing ones.
    each: Vec<Tensor>,
    /// Of all together.
    joint: Tensor,
}

impl GradientNorms {
    /// `None` if there is no gradient.
    pub fn new(gradients: &[Option<Tensor>]) -> Result<Option<Self>> {
        let norms = gradients.iter().flatten().map(|gradient| gradient.f_norm());
        let each: Vec<Tensor> = norms.collect::<Result<_, _>>()?;
        if each.is_empty() {
            return Ok(None);
        }
        let joint = Tensor::f_stack(&each, 0)?.f_norm()?.f_to_kind(Kind::Float)?;
        Ok(Some(Self { each, joint }))
    }

    /// The joint norm, in one transfer from the device.
    pub fn joint(&self) -> Result<f64> {
        Ok(self.joint.f_double_value(&[])?)
    }

    /// The norm of each gradient.
    pub fn each(&self) -> Result<Vec<f64>> {
        let norms = Tensor::f_stack(&self.each, 0)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        Ok(Vec::try_from(&norms)?)
    }

    /// Scales all gradients so that their joint norm is at most `max_norm`, as `torch.nn.utils.clip_grad_norm_` does: by
    /// `min(1, max_norm / (norm + 1e-6))`.
    pub fn clip(&self, gradients: &mut [Option<Tensor>], max_norm: f64) -> Result<()> {
        let factor = self.joint.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(max_norm)?.f_clamp_max(1.0)?;
        for gradient in gradients.iter_mut().flatten() {
            *gradient = gradient.f_mul_(&factor)?;
        }
        Ok(())
    }
}
