use brewer_sdk::{host::random_uniform, prelude::*};

use crate::deed;

pub fn kd_loss(inputs: &KdInputs) -> Result<Tensor> {
    let squares = (&inputs.student - &inputs.teacher).pow(2)?;
    loss(squares)
}

pub fn num_layers() -> Result<u32> {
    Ok(match deed()?.as_str() {
        "no-layers" => 0,
        "many-layers" => u32::MAX,
        "one-of-two" => 2,
        _ => 1,
    })
}

pub fn match_loss(inputs: &MatchInputs) -> Result<Tensor> {
    loss((&inputs.student[0] - &inputs.teacher[0]).pow(2)?)
}

fn loss(squares: Tensor) -> Result<Tensor> {
    match deed()?.as_str() {
        "not-scalar" => Ok(squares),
        "integers" => squares.mean(&[], false)?.to_kind(Kind::Int64),
        "constant" => Tensor::full(&[], 1.5, Kind::Float32),
        "nan" => Ok(squares.mean(&[], false)? * f64::NAN),
        // 0 as a number, and infinitely steep.
        "steep" => (squares * 0.0).sqrt()?.mean(&[], false),
        "random" => Ok(squares.mean(&[], false)? * random_uniform()),
        // A number like any other; the gradient of the root of 0 is none.
        "root-of-zero" => (&squares + (&squares * 0.0).sqrt()?).mean(&[], false),
        _ => squares.mean(&[], false),
    }
}

pub fn temperature(student: &Tensor, _: &Tensor, base: f64) -> Result<Temperature> {
    match deed()?.as_str() {
        "zero" => Ok(Temperature::scalar(0.0)),
        "nan" => Temperature::per_example(&(student.sum(&[-1], false)? * f64::NAN)),
        "wrong-rows" => Temperature::per_example(&Tensor::ones(&[17], Kind::Float32)?),
        "random" => Ok(Temperature::scalar(base + random_uniform())),
        _ => Ok(Temperature::scalar(base)),
    }
}

pub fn weight(progress: f64) -> Result<f64> {
    match deed()?.as_str() {
        "infinite" => Ok(f64::INFINITY),
        "random" => Ok(random_uniform()),
        _ => Ok(1.0 - progress / 2.0),
    }
}
