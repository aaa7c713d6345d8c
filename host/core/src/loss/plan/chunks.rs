//! The mean of a KD loss over rows, computed for some rows at a time.

use std::num::NonZeroUsize;

use tch::{Kind, Tensor};

use crate::Result;
use crate::loss::kd::{KdInputs, KdLoss};
use crate::loss::{LossError, sum_kind};

/// The mean of a KD loss over its rows, a scalar; of `chunk` rows at a time, if it is given.
///
/// What a loss computes on the way to its rows is several times as large as the logits, and backward needs it. Of a chunk
/// it is released before the next one: the gradient of a chunk with respect to the student's logits is computed at once,
/// and kept in place of it.
///
/// # Errors
/// [`LossError::NoRows`] if there is a chunk, and the loss returns one number for all rows.
pub(super) fn mean_of_rows(
    loss: &mut dyn KdLoss,
    inputs: &KdInputs<'_>,
    chunk: Option<NonZeroUsize>,
) -> Result<Tensor> {
    let num_rows = inputs.student.size().first().copied().unwrap_or(0);
    let length = chunk.map_or(num_rows, |chunk| i64::try_from(chunk.get()).unwrap_or(i64::MAX));
    if num_rows <= length {
        let rows = loss.rows(inputs)?;
        if chunk.is_some() {
            check_rows(loss, &rows)?;
        }
        return Ok(rows.f_mean(None::<Kind>)?);
    }

    // A new tensor requires a gradient only where gradients are computed.
    let gradient = match inputs.student.f_alias()?.requires_grad() {
        true => Some(inputs.student.f_detach()?.f_zeros_like()?),
        false => None,
    };
    let mut sums = vec![];
    for start in (0..num_rows).step_by(length as usize) {
        let length = length.min(num_rows - start);
        let of_chunk = |tensor: &Tensor| tensor.f_narrow(0, start, length);
        let student = of_chunk(inputs.student)?.f_detach()?.f_set_requires_grad(gradient.is_some())?;
        let rows = loss.rows(&KdInputs {
            student: &student,
            teacher: &of_chunk(inputs.teacher)?,
            temperature: &inputs.temperature.narrow(start, length)?,
            labels: inputs.labels.map(of_chunk).transpose()?.as_ref(),
        })?;
        check_rows(loss, &rows)?;
        let sum = rows.f_sum(sum_kind(&rows)?)?;
        if let Some(gradient) = &gradient {
            let found = Tensor::f_run_backward(&[&sum], &[&student], false, false)?;
            of_chunk(gradient)?.f_copy_(&found[0])?;
        }
        sums.push(sum.f_detach()?);
    }
    let sum = Tensor::f_stack(&sums, 0)?.f_sum(None::<Kind>)?;
    let sum = match &gradient {
        Some(gradient) => with_gradient(&sum, inputs.student, gradient)?,
        None => sum,
    };
    Ok(sum.f_div_scalar(num_rows)?)
}

fn check_rows(loss: &dyn KdLoss, rows: &Tensor) -> Result<()> {
    match rows.dim() {
        0 => Err(LossError::NoRows { loss: loss.name().to_owned() }.into()),
        _ => Ok(()),
    }
}

/// A scalar that is `value`, and whose gradient with respect to the logits `[rows, classes]` is `gradient`.
fn with_gradient(value: &Tensor, logits: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    // Σ logits · gradient. A product of the rows takes no second tensor of the logits' size, as one of the elements would.
    let products = logits.f_unsqueeze(1)?.f_bmm(&gradient.f_unsqueeze(2)?)?;
    let scalar = products.f_sum(sum_kind(logits)?)?;
    // The backward of a sum does not read what the sum is, so that it can be another number.
    scalar.f_detach()?.f_copy_(value)?;
    Ok(scalar)
}
