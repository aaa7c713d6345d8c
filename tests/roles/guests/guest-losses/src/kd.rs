//! KD losses.

use brewer_sdk::prelude::*;

use crate::Config;

pub fn loss(inputs: &KdInputs) -> Result<Tensor> {
    let Config { loss, rows } = config()?;
    let student = inputs.temperature.soften(&inputs.student)?;
    let teacher = inputs.temperature.soften(&inputs.teacher)?;
    let of_rows = match loss.as_str() {
        "ce" => -(teacher.softmax(-1)? * student.log_softmax(-1)?).sum(&[-1], false)?,
        "mse" => (student - teacher).pow(2)?.mean(&[-1], false)?,
        "reverse_kl" => kl(&student.log_softmax(-1)?, &teacher.log_softmax(-1)?)?,
        "js" => jensen_shannon(&student.softmax(-1)?, &teacher.softmax(-1)?)?,
        "dkd" => decoupled(inputs, &student.log_softmax(-1)?, &teacher.log_softmax(-1)?)?,
        other => return Err(format!("`{other}` is no KD loss").into()),
    };
    if rows { Ok(of_rows) } else { of_rows.mean(&[], false) }
}

/// `KL(p‖q)` of log-probabilities, over classes.
fn kl(p: &Tensor, q: &Tensor) -> Result<Tensor> {
    (p.exp()? * (p - q)).sum(&[-1], false)
}

/// Both sides weigh one half.
fn jensen_shannon(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let mixture = ((student + teacher) * 0.5).log()?;
    Ok((kl(&student.log()?, &mixture)? + kl(&teacher.log()?, &mixture)?) * 0.5)
}

/// Decoupled KD with the weights of its paper, 1 and 8.
fn decoupled(inputs: &KdInputs, student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let largest = inputs.teacher.argmax(-1, true)?;
    let target = match &inputs.labels {
        Some(labels) => {
            let labels = labels.to_kind(Kind::Int64)?.unsqueeze(-1)?;
            labels.where_(&labels.ge(0)?, &largest)?
        }
        None => largest,
    };
    let shape = student.shape();
    let classes = Tensor::arange(0, shape[shape.len() - 1], 1, Kind::Int64)?;
    let is_target = classes.expand(&shape)?.eq(&target.expand(&shape)?)?;
    let (student, teacher) = (parts(student, &target, &is_target)?, parts(teacher, &target, &is_target)?);
    let target_class = kl(&teacher.0, &student.0)?;
    let of_others = teacher.1.exp()?.masked_fill(&is_target, 0.0)? * (&teacher.1 - &student.1);
    Ok(target_class + of_others.sum(&[-1], false)? * 8.0)
}

/// Log-probabilities of the target and of all others together, `[…, 2]`, and among the others.
fn parts(log_probabilities: &Tensor, target: &Tensor, is_target: &Tensor) -> Result<(Tensor, Tensor)> {
    let of_target = log_probabilities.gather(-1, target)?;
    let of_others = log_probabilities.exp()?.masked_fill(is_target, 0.0)?.sum(&[-1], true)?.log()?;
    Ok((Tensor::cat(&[&of_target, &of_others], -1)?, log_probabilities - &of_others))
}
