//! Adam's step in one pass over memory. As a dozen tensor operations it reads and writes every parameter a dozen
//! times, and on a CPU that is a third of a training step.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use tch::{Device, Kind, Tensor};

/// The numbers of one step of one parameter.
pub(super) struct StepConstants {
    /// What AdamW multiplies the parameter by.
    pub decay_factor: f64,
    /// What Adam adds of the parameter to its gradient.
    pub added_decay: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub step_size: f64,
    pub bias_correction2_sqrt: f64,
}

/// Elements that one task works on.
const CHUNK: usize = 16 * 1024;

/// Does the step if all tensors are contiguous float32 on the CPU, of one size; otherwise changes nothing and returns
/// false.
pub(super) fn step_on_cpu(
    parameter: &mut Tensor,
    gradient: &Tensor,
    exp_avg: &mut Tensor,
    exp_avg_sq: &mut Tensor,
    constants: &StepConstants,
) -> bool {
    let size = parameter.numel();
    let fits = |tensor: &Tensor| {
        tensor.device() == Device::Cpu
            && tensor.kind() == Kind::Float
            && tensor.numel() == size
            && tensor.is_contiguous()
    };
    if ![&*parameter, gradient, exp_avg, exp_avg_sq].into_iter().all(fits) {
        return false;
    }
    // SAFETY: each tensor is contiguous float32 memory of `size` elements on the CPU, as checked above. Parameter and
    // moments are separate allocations that nothing else uses during the step: the models hold the parameter, but no
    // forward or backward runs now. The gradient is only read, and autograd never returns a gradient in a parameter's
    // own memory.
    let (parameter, gradient, exp_avg, exp_avg_sq) = unsafe {
        (
            std::slice::from_raw_parts_mut(parameter.data_ptr().cast::<f32>(), size),
            std::slice::from_raw_parts(gradient.data_ptr().cast_const().cast::<f32>(), size),
            std::slice::from_raw_parts_mut(exp_avg.data_ptr().cast::<f32>(), size),
            std::slice::from_raw_parts_mut(exp_avg_sq.data_ptr().cast::<f32>(), size),
        )
    };
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(exp_avg.par_chunks_mut(CHUNK))
        .zip(exp_avg_sq.par_chunks_mut(CHUNK))
        .for_each(|(((parameter, gradient), exp_avg), exp_avg_sq)| {
            step_chunk(parameter, gradient, exp_avg, exp_avg_sq, constants);
        });
    true
}

fn step_chunk(
    parameter: &mut [f32],
    gradient: &[f32],
    exp_avg: &mut [f32],
    exp_avg_sq: &mut [f32],
    constants: &StepConstants,
) {
    let decay_factor = constants.decay_factor as f32;
    let added_decay = constants.added_decay as f32;
    let one_minus_beta1 = (1.0 - constants.beta1) as f32;
    let beta2 = constants.beta2 as f32;
    let one_minus_beta2 = (1.0 - constants.beta2) as f32;
    let eps = constants.eps as f32;
    let step_size = constants.step_size as f32;
    let bias_correction2_sqrt = constants.bias_correction2_sqrt as f32;
    let moments = exp_avg.iter_mut().zip(exp_avg_sq);
    for ((parameter, gradient), (exp_avg, exp_avg_sq)) in parameter.iter_mut().zip(gradient).zip(moments) {
        let gradient = gradient + added_decay * *parameter;
        let decayed = *parameter * decay_factor;
        *exp_avg += (gradient - *exp_avg) * one_minus_beta1;
        *exp_avg_sq = *exp_avg_sq * beta2 + one_minus_beta2 * gradient * gradient;
        let denominator = exp_avg_sq.sqrt() / bias_correction2_sqrt + eps;
        *parameter = decayed - step_size * *exp_avg / denominator;
    }
}
