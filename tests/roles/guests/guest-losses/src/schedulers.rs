//! Temperatures and weights.

use brewer_sdk::prelude::*;

use crate::Config;

const BETA: f64 = 1.5;
const GAMMA: f64 = 2.0;

pub fn temperature(student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature> {
    let Config { loss, .. } = config()?;
    let weight = match loss.as_str() {
        "flsw" => {
            let similarity = (normalised(student)? * normalised(teacher)?).sum(&[-1], false)?;
            (-similarity + 1.0).pow(GAMMA)?
        }
        "cwsm" => (student.softmax(-1)?.max(&[-1], false)? + 1e-3).pow(-1.0)?,
        "constant" => return Ok(Temperature::scalar(base)),
        other => return Err(format!("`{other}` is no temperature scheduler").into()),
    };
    Temperature::per_example(&((weight.mean(&[], false)? - weight) * BETA + base))
}

fn normalised(logits: &Tensor) -> Result<Tensor> {
    Ok(logits / (logits.norm(2.0, &[-1], true)? + 1e-4))
}

pub fn weight(progress: f64) -> Result<f64> {
    let Config { loss, .. } = config()?;
    match loss.as_str() {
        "linear_decay" => Ok(1.0 - progress),
        "linear_growth" => Ok(progress),
        other => Err(format!("`{other}` is no weight scheduler").into()),
    }
}
