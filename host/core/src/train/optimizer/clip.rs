use tch::{Kind, Tensor};

use crate::Result;

/// Scales all gradients so that their joint 2-norm is at most `max_norm`, as `torch.nn.utils.clip_grad_norm_` does:
/// by `min(1, max_norm / (norm + 1e-6))`.
pub fn clip_gradients(gradients: &mut [Option<Tensor>], max_norm: f64) -> Result<()> {
    let norms: Vec<Tensor> = gradients.iter().flatten().map(|gradient| gradient.f_norm()).collect::<Result<_, _>>()?;
    if norms.is_empty() {
        return Ok(());
    }
    let norm = Tensor::f_stack(&norms, 0)?.f_norm()?.f_to_kind(Kind::Float)?;
    let factor = norm.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(max_norm)?.f_clamp_max(1.0)?;
    for gradient in gradients.iter_mut().flatten() {
        *gradient = gradient.f_mul_(&factor)?;
    }
    Ok(())
}
