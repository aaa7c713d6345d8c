//! The squared distance of two layers, of the positions that are no padding.

use brewer_sdk::prelude::*;

fn loss(inputs: &MatchInputs) -> Result<Tensor> {
    let squares = (&inputs.student[0] - &inputs.teacher[0]).pow(2)?.mean(&[-1], false)?;
    let Some(mask) = &inputs.mask else { return squares.mean(&[], false) };
    let mask = mask.to_kind(Kind::Float32)?;
    Ok((squares * &mask).sum(&[], false)? / mask.sum(&[], false)?)
}

brewer_sdk::export_match_loss!(loss);
