use tch::Tensor;

use super::{Find, Optimizer, SgdConfig, remembered};
use crate::Result;

/// Stochastic gradient descent with momentum.
pub struct Sgd {
    config: SgdConfig,
    slots: Vec<Slot>,
}

struct Slot {
    parameter: Tensor,
    momentum: Option<Tensor>,
}

impl Sgd {
    /// SGD over these parameters.
    pub fn new(config: &SgdConfig, parameters: Vec<Tensor>) -> Self {
        let slots = parameters.into_iter().map(|parameter| Slot { parameter, momentum: None }).collect();
        Self { config: config.clone(), slots }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, gradients: &[Option<Tensor>], lr_factor: f64) -> Result<()> {
        let lr = self.config.lr * lr_factor;
        tch::no_grad(|| {
            for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
                let Some(gradient) = gradient else { continue };
                let direction = direction(&self.config, slot, gradient)?;
                let _ = slot.parameter.f_add_(&direction.f_mul_scalar(-lr)?)?;
            }
            Ok(())
        })
    }

    fn state(&self, position: usize) -> Result<Vec<(&'static str, Tensor)>> {
        let momentum = self.slots[position].momentum.iter();
        Ok(momentum.map(|momentum| ("momentum_buffer", momentum.shallow_clone())).collect())
    }

    fn restore(&mut self, position: usize, find: &Find<'_>) -> Result<()> {
        let slot = &mut self.slots[position];
        let momentum = find("momentum_buffer");
        slot.momentum = momentum.map(|found| remembered(&slot.parameter, "momentum_buffer", found)).transpose()?;
        Ok(())
    }
}

/// The gradient with weight decay and momentum. The first gradient enters the momentum undampened, as in torch.
fn direction(config: &SgdConfig, slot: &mut Slot, gradient: &Tensor) -> Result<Tensor> {
    let gradient = match config.weight_decay {
        0.0 => gradient.shallow_clone(),
        decay => gradient.f_add(&slot.parameter.f_mul_scalar(decay)?)?,
    };
    if config.momentum == 0.0 {
        return Ok(gradient);
    }
    let momentum = match slot.momentum.take() {
        None => gradient.copy(),
        Some(mut momentum) => {
            let dampened = gradient.f_mul_scalar(1.0 - config.dampening)?;
            momentum.f_mul_scalar_(config.momentum)?.f_add_(&dampened)?
        }
    };
    let direction = match config.nesterov {
        true => gradient.f_add(&momentum.f_mul_scalar(config.momentum)?)?,
        false => momentum.shallow_clone(),
    };
    slot.momentum = Some(momentum);
    Ok(direction)
}
