use tch::Tensor;

use super::adam_kernel::{self, StepConstants};
use super::{AdamConfig, AdamWConfig, Find, Optimizer, remembered};
use crate::Result;

/// Adam, with weight decay added to the gradient (Adam) or taken off the parameter (AdamW).
pub struct Adam {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    is_decoupled: bool,
    slots: Vec<Slot>,
}

/// A parameter and what Adam remembers of it from its first gradient on.
struct Slot {
    parameter: Tensor,
    moments: Option<Moments>,
}

struct Moments {
    steps: i32,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
}

impl Adam {
    /// Adam over these parameters, with running means of 0.
    pub fn new(config: &AdamConfig, parameters: Vec<Tensor>) -> Self {
        Self::with(config.lr, config.betas, config.eps, config.weight_decay, false, parameters)
    }

    /// AdamW.
    pub fn decoupled(config: &AdamWConfig, parameters: Vec<Tensor>) -> Self {
        Self::with(config.lr, config.betas, config.eps, config.weight_decay, true, parameters)
    }

    fn with(
        lr: f64,
        betas: (f64, f64),
        eps: f64,
        weight_decay: f64,
        is_decoupled: bool,
        parameters: Vec<Tensor>,
    ) -> Self {
        let slots = parameters.into_iter().map(|parameter| Slot { parameter, moments: None }).collect();
        Self { lr, betas, eps, weight_decay, is_decoupled, slots }
    }
}

impl Optimizer for Adam {
    fn step(&mut self, gradients: &[Option<Tensor>], lr_factor: f64) -> Result<()> {
        let lr = self.lr * lr_factor;
        let (beta1, beta2) = self.betas;
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let moments = match &mut slot.moments {
                Some(moments) => moments,
                none => none.insert(Moments {
                    steps: 0,
                    exp_avg: slot.parameter.f_zeros_like()?,
                    exp_avg_sq: slot.parameter.f_zeros_like()?,
                }),
            };
            moments.steps += 1;
            let bias_correction1 = 1.0 - beta1.powi(moments.steps);
            let bias_correction2 = 1.0 - beta2.powi(moments.steps);
            let constants = StepConstants {
                decay_factor: if self.is_decoupled { 1.0 - lr * self.weight_decay } else { 1.0 },
                added_decay: if self.is_decoupled { 0.0 } else { self.weight_decay },
                beta1,
                beta2,
                eps: self.eps,
                step_size: lr / bias_correction1,
                bias_correction2_sqrt: bias_correction2.sqrt(),
            };
            let Moments { exp_avg, exp_avg_sq, .. } = moments;
            let done = adam_kernel::step_on_cpu(&mut slot.parameter, gradient, exp_avg, exp_avg_sq, &constants);
            if !done {
                tch::no_grad(|| step_with_tensors(&mut slot.parameter, gradient, exp_avg, exp_avg_sq, &constants))?;
            }
        }
        Ok(())
    }

    fn state(&self, position: usize) -> Result<Vec<(&'static str, Tensor)>> {
        let Some(Moments { steps, exp_avg, exp_avg_sq }) = &self.slots[position].moments else { return Ok(vec![]) };
        let [exp_avg, exp_avg_sq] = [exp_avg.shallow_clone(), exp_avg_sq.shallow_clone()];
        Ok(vec![("step", Tensor::from(i64::from(*steps))), ("exp_avg", exp_avg), ("exp_avg_sq", exp_avg_sq)])
    }

    fn restore(&mut self, position: usize, find: &Find<'_>) -> Result<()> {
        let slot = &mut self.slots[position];
        if let (Some(steps), Some(exp_avg), Some(exp_avg_sq)) = (find("step"), find("exp_avg"), find("exp_avg_sq")) {
            slot.moments = Some(Moments {
                steps: i32::try_from(steps)?,
                exp_avg: remembered(&slot.parameter, "exp_avg", exp_avg)?,
                exp_avg_sq: remembered(&slot.parameter, "exp_avg_sq", exp_avg_sq)?,
            });
        }
        Ok(())
    }
}

/// The step as torch's operations, for devices and kinds that the kernel does not know.
fn step_with_tensors(
    parameter: &mut Tensor,
    gradient: &Tensor,
    exp_avg: &mut Tensor,
    exp_avg_sq: &mut Tensor,
    constants: &StepConstants,
) -> Result<()> {
    let gradient = match constants.added_decay {
        0.0 => gradient.shallow_clone(),
        decay => gradient.f_add(&parameter.f_mul_scalar(decay)?)?,
    };
    if constants.decay_factor != 1.0 {
        let _ = parameter.f_mul_scalar_(constants.decay_factor)?;
    }
    let _ = exp_avg.f_lerp_(&gradient, 1.0 - constants.beta1)?;
    let scaled = gradient.f_mul_scalar(1.0 - constants.beta2)?;
    let _ = exp_avg_sq.f_mul_scalar_(constants.beta2)?.f_addcmul_(&gradient, &scaled)?;
    let mut denominator = exp_avg_sq.f_sqrt()?;
    let denominator = denominator.f_div_scalar_(constants.bias_correction2_sqrt)?.f_add_scalar_(constants.eps)?;
    let _ = parameter.f_addcdiv_(&exp_avg.f_mul_scalar(-constants.step_size)?, &denominator)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_kernel_and_the_tensor_operations_agree() {
        tch::manual_seed(3);
        let random = || Tensor::randn([40_000], (Kind::Float, Device::Cpu));
        for (decay_factor, added_decay) in [(0.99, 0.0), (1.0, 0.02)] {
            let constants = StepConstants {
                decay_factor,
                added_decay,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                step_size: 0.01,
                bias_correction2_sqrt: 0.7,
            };
            let (mut parameter, gradient, mut exp_avg) = (random(), random(), random());
            let mut exp_avg_sq = random().square();
            let mut expected = [parameter.copy(), exp_avg.copy(), exp_avg_sq.copy()];
            let [other, avg, avg_sq] = &mut expected;
            step_with_tensors(other, &gradient, avg, avg_sq, &constants).unwrap();
            assert!(adam_kernel::step_on_cpu(&mut parameter, &gradient, &mut exp_avg, &mut exp_avg_sq, &constants));
            for (found, expected) in [parameter, exp_avg, exp_avg_sq].iter().zip(&expected) {
                assert!(found.allclose(expected, 1e-5, 1e-7, false));
            }
        }
    }
}
