//! What a guest can do with tensors.

use std::cell::RefCell;

use brewer_sdk::{
    losses::{Reduction, cross_entropy},
    prelude::*,
};

pub fn operate_for_ever() -> Result<()> {
    let mut tensor = Tensor::ones(&[2], Kind::Float32)?;
    loop {
        tensor = tensor.mul(1.0)?;
    }
}

pub fn hoard(tensor: &Tensor) -> Result<()> {
    let mut kept = Vec::new();
    for _ in 0..1_000_000 {
        kept.push(tensor.select(0, 0)?);
    }
    Ok(())
}

pub fn hoard_in_lists(tensor: &Tensor) -> Result<()> {
    let mut list = TensorList::default();
    loop {
        list.push(tensor)?;
    }
}

pub fn hoard_in_features(layers: &TensorList) -> Result<Features> {
    let mut lists = Vec::new();
    loop {
        lists.push(layers.narrow(0, layers.len())?);
    }
}

/// Uses the tensor that the call before kept, if there is one; keeps this one.
pub fn keep(tensor: Tensor) -> Result<()> {
    thread_local! {
        static KEPT: RefCell<Option<Tensor>> = const { RefCell::new(None) };
    }
    let earlier = KEPT.with_borrow_mut(|kept| kept.replace(tensor));
    earlier.map_or(Ok(()), |earlier| earlier.exp().map(drop))
}

/// What the model was called with and what it returned, some of it twice.
pub fn return_inputs(batch: &Batch, outputs: &Outputs) -> Result<Features> {
    let (logits, labels, loss) = (outputs.tensor("logits")?, batch.tensor("labels")?, outputs.tensor("loss")?);
    Ok(Features {
        logits: [logits.clone(), logits].into(),
        labels: [labels.clone(), labels].into(),
        losses: [loss.clone(), loss].into(),
        hidden: outputs.list("hidden_states")?,
        ..Default::default()
    })
}

/// Many tensors, each within the limits, none alive for long.
pub fn make_many() -> Result<()> {
    loop {
        Tensor::zeros(&[1 << 20], Kind::Float32)?;
    }
}

pub fn broadcast() -> Result<()> {
    let column = Tensor::zeros(&[1_000_000, 1], Kind::Float32)?;
    let row = Tensor::zeros(&[1, 1_000_000], Kind::Float32)?;
    column.add(&row)?;
    Ok(())
}

/// Matrices of a few megabytes whose product takes hours.
pub fn multiply() -> Result<()> {
    let matrix = Tensor::zeros(&[1, 1], Kind::Float32)?.expand(&[1 << 14, 1 << 14])?;
    loop {
        matrix.matmul(&matrix)?;
    }
}

/// A product that takes `float16` many times as long as `float32`.
pub fn multiply_halves() -> Result<()> {
    let matrix = Tensor::ones(&[1 << 11, 1 << 11], Kind::Float16)?;
    matrix.matmul(&matrix)?;
    Ok(())
}

/// Products of single numbers: little to compute, but each is a call.
pub fn multiply_numbers() -> Result<()> {
    let numbers = Tensor::ones(&[1, 1, 1], Kind::Bfloat16)?.expand(&[1 << 26, 1, 1])?;
    numbers.matmul(&numbers)?;
    Ok(())
}

/// Elements that are picked one by one, and may lie anywhere.
pub fn pick_numbers() -> Result<()> {
    let places = Tensor::zeros(&[1], Kind::Int64)?.expand(&[1 << 27])?;
    Tensor::ones(&[1 << 20], Kind::Boolean)?.gather(0, &places)?;
    Ok(())
}

/// One element again and again, by an index that takes no memory itself.
pub fn pick_again(tensor: &Tensor, dim: i64, count: i64) -> Result<Tensor> {
    let places = Tensor::zeros(&[1], Kind::Int64)?.expand(&[count])?;
    tensor.index_select(dim, &places)
}

/// Of a dimension between others: libtorch adds the gradients of what was picked one by one.
pub fn pick_between(logits: &Tensor) -> Result<Tensor> {
    pick_again(&logits.reshape(&[1, -1, 1])?, 1, 1 << 23)?.sum(&[], false)
}

/// Logits that train nothing, by temperatures that do: the gradient is that of as many quotients.
pub fn soften(logits: &Tensor) -> Result<Tensor> {
    let rows = logits.sum(&[-1], false)?;
    let wide = logits.detach()?.narrow(1, 0, 1)?.expand(&[-1, 1 << 20])?;
    Temperature::per_example(&rows)?.soften(&wide)?.narrow(1, 0, 1)?.sum(&[], false)
}

/// A view of one byte, of which libtorch makes a tensor of integers before it adds them up.
pub fn sum_booleans() -> Result<()> {
    let many = Tensor::ones(&[1], Kind::Boolean)?.expand(&[1 << 22])?;
    for _ in 0..3 {
        many.sum(&[], false)?;
    }
    Ok(())
}

/// The sum of parts of a view `times` as large as the logits: nothing by itself, but the gradient of each part is as large
/// as the whole.
pub fn views(logits: &Tensor, times: i64, count: i64) -> Result<Tensor> {
    let shape = logits.shape();
    let whole = logits.unsqueeze(0)?.expand(&[times, shape[0], shape[1]])?;
    let mut sum = whole.select(0, 0)?.sum(&[], false)?;
    for index in 1..count {
        sum = sum + whole.select(0, index)?.sum(&[], false)?;
    }
    Ok(sum)
}

/// Whether an operation on the labels and 5, which is no label, fails: a guest that is told can read labels so.
pub fn probe(batch: &Batch, operation: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Features> {
    let labels = batch.tensor("labels")? * 5;
    match operation(&labels) {
        Ok(_) => Err("no label is 1, as an operation has told".into()),
        Err(error) => Err(format!("a label is 1, as an operation has told: {error}").into()),
    }
}

/// Whether the loss of no classes fails for labels of 1, and not for those of 0 that stand for none.
pub fn probe_no_classes(batch: &Batch) -> Result<()> {
    let labels = (batch.tensor("labels")? - 1) * 100;
    let nothing = Tensor::zeros(&[labels.shape()[0], 0], Kind::Float32)?;
    cross_entropy(&nothing, &labels, Reduction::Mean)?;
    Ok(())
}

pub fn compare(found: &[f32], expected: usize) -> Result<()> {
    if found.len() == expected { Ok(()) } else { Err(format!("{} elements", found.len()).into()) }
}
