//! Match losses.

use brewer_sdk::{losses::cosine_similarity, prelude::*};

use crate::Config;

pub fn num_layers() -> Result<u32> {
    let Config { loss, .. } = config()?;
    Ok(match loss.as_str() {
        "fsp" | "mmd" => 2,
        "minilm_relations" => 3,
        _ => 1,
    })
}

pub fn loss(inputs: &MatchInputs) -> Result<Tensor> {
    let Config { loss, .. } = config()?;
    let (student, teacher) = (&inputs.student, &inputs.teacher);
    let mask = inputs.mask.as_ref().map(|mask| mask.to_kind(student[0].kind())).transpose()?;
    let mask = mask.as_ref();
    match loss.as_str() {
        "hidden_mse" => mean_of_positions((&student[0] - &teacher[0]).pow(2)?, mask),
        "cos" => cosine(&student[0], &teacher[0], mask),
        "pkd" => (first(&student[0])? - first(&teacher[0])?).pow(2)?.sum(&[-1], false)?.mean(&[], false),
        "fsp" => (flow(student, mask)? - flow(teacher, mask)?).pow(2)?.mean(&[], false),
        "mmd" => mean_of_pairs(similarity(student, mask)? - similarity(teacher, mask)?, 1, mask),
        "attention_mse" => attention_mse(&student[0], &teacher[0], mask),
        "attention_mse_sum" => attention_mse(&student[0].sum(&[1], true)?, &teacher[0].sum(&[1], true)?, mask),
        "attention_ce" => attention_ce(&student[0], &teacher[0], mask),
        "attention_ce_mean" => attention_ce(&student[0].mean(&[1], true)?, &teacher[0].mean(&[1], true)?, mask),
        "minilm_relations" => relations(student, teacher, mask),
        other => Err(format!("`{other}` is no match loss").into()),
    }
}

/// The mean of `[batch, length, hidden]` where the mask is 1.
fn mean_of_positions(values: Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let Some(mask) = mask else { return values.mean(&[], false) };
    let hidden_size = values.shape()[2];
    Ok((values * mask.unsqueeze(-1)?).sum(&[], false)? / (mask.sum(&[], false)? * hidden_size))
}

/// The mean of the squares of `[batch, length, length]`, or of `[batch, heads, length, length]`, where the mask of
/// both positions is 1.
fn mean_of_pairs(difference: Tensor, heads: i64, mask: Option<&Tensor>) -> Result<Tensor> {
    let squares = difference.pow(2)?;
    let Some(mask) = mask else { return squares.mean(&[], false) };
    let mut pairs = mask.unsqueeze(-1)? * mask.unsqueeze(1)?;
    if squares.rank() == 4 {
        pairs = pairs.unsqueeze(1)?;
    }
    let count = mask.sum(&[1], false)?.pow(2)?.sum(&[], false)? * heads;
    Ok((squares * pairs).sum(&[], false)? / count)
}

fn cosine(student: &Tensor, teacher: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let distances = -cosine_similarity(student, teacher, -1)? + 1.0;
    match mask {
        Some(mask) => Ok((distances * mask).sum(&[], false)? / mask.sum(&[], false)?),
        None => distances.mean(&[], false),
    }
}

/// The state of the first token, of length 1.
fn first(states: &Tensor) -> Result<Tensor> {
    let first = states.select(1, 0)?;
    let norm = first.norm(2.0, &[1], true)?;
    Ok(first / norm)
}

/// The flow of the solution procedure between two layers, `[batch, hidden, hidden]`.
fn flow(layers: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
    let product = |from: &Tensor, to: &Tensor| from.transpose(1, 2)?.matmul(to);
    match mask {
        None => Ok(product(&layers[0], &layers[1])? / layers[1].shape()[1]),
        Some(mask) => {
            let mask = mask.unsqueeze(-1)?;
            Ok(product(&(&layers[0] * &mask), &(&layers[1] * &mask))? / mask.sum(&[1], true)?)
        }
    }
}

/// The similarity of all pairs of positions of two layers, `[batch, length, length]`.
fn similarity(layers: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
    let divisor = layers[1].shape()[if mask.is_some() { 1 } else { 2 }];
    Ok(layers[0].matmul(&layers[1].transpose(1, 2)?)? / divisor)
}

/// Without a mask, scores that a model masked count as 0.
fn unmasked(scores: &Tensor) -> Result<Tensor> {
    scores.masked_fill(&scores.le(-1e-3)?, 0.0)
}

fn attention_mse(student: &Tensor, teacher: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    match mask {
        Some(_) => mean_of_pairs(student - teacher, student.shape()[1], mask),
        None => (unmasked(student)? - unmasked(teacher)?).pow(2)?.mean(&[], false),
    }
}

fn attention_ce(student: &Tensor, teacher: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let (target, log_probability) = (teacher.softmax(-1)?, student.log_softmax(-1)?);
    let loss = match mask {
        None => {
            let target = target.masked_fill(&teacher.le(-1e-3)?, 0.0)?;
            (target * log_probability).sum(&[-1], false)?.mean(&[], false)?
        }
        Some(mask) => {
            let shape = student.shape();
            // [batch, heads, length]
            let mask = mask.unsqueeze(1)?.expand(&shape[..3])?;
            let over_keys = (target * log_probability * mask.unsqueeze(-2)?).sum(&[-1], false)?;
            (over_keys * &mask).sum(&[], false)? / mask.sum(&[], false)?
        }
    };
    Ok(-loss)
}

/// MiniLM's relations of queries, keys and values with two relation heads.
fn relations(student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
    let mut losses = vec![];
    for (student, teacher) in student.iter().zip(teacher) {
        let (student, teacher) = (relation(student, mask)?, relation(teacher, mask)?);
        let divergence = teacher.exp()? * (&teacher - &student);
        let of_positions = divergence.sum(&[-1], false)?.mean(&[1], false)?;
        losses.push(match mask {
            Some(mask) => (of_positions * mask).sum(&[], false)? / mask.sum(&[], false)?,
            None => of_positions.mean(&[], false)?,
        });
    }
    Tensor::stack(&losses.iter().collect::<Vec<_>>(), 0)?.sum(&[], false)
}

/// The log-probabilities of a relation, `[batch, heads, length, length]`.
fn relation(vectors: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    const HEADS: i64 = 2;
    let shape = vectors.shape();
    let head_size = shape[2] / HEADS;
    let split = vectors.reshape(&[shape[0], shape[1], HEADS, head_size])?.transpose(1, 2)?;
    let mut scores = split.matmul(&split.transpose(-2, -1)?)? * (1.0 / (head_size as f64).sqrt());
    if let Some(mask) = mask {
        scores = scores.masked_fill(&mask.eq(0)?.unsqueeze(1)?.unsqueeze(1)?, -1e9)?;
    }
    scores.log_softmax(-1)
}
