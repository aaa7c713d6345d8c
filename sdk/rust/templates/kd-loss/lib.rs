//! The squared distance of the softened logits of both sides.

use brewer_sdk::prelude::*;

fn loss(inputs: &KdInputs) -> Result<Tensor> {
    let difference = inputs.temperature.soften(&inputs.student)? - inputs.temperature.soften(&inputs.teacher)?;
    difference.pow(2)?.mean(&[], false)
}

brewer_sdk::export_kd_loss!(loss);
