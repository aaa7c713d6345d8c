//! Features that losses should not be computed from.

use brewer_sdk::prelude::*;

pub fn of_loss(loss: Tensor) -> Result<Features> {
    Ok(Features { losses: loss.into(), ..Default::default() })
}

pub fn of_logits(logits: Tensor) -> Result<Features> {
    Ok(Features { logits: logits.into(), ..Default::default() })
}

/// Views by the hundred, which take nothing before a loss is computed of each.
pub fn many(logits: &Tensor) -> Result<Features> {
    let wide = logits.unsqueeze(1)?.expand(&[-1, 1 << 14, -1])?;
    let logits: Vec<Tensor> = (0..200).map(|_| wide.clone()).collect();
    Ok(Features { logits, ..Default::default() })
}

/// As many classes as fit into a view.
pub fn wide(logits: &Tensor) -> Result<Features> {
    of_logits(logits.narrow(1, 0, 1)?.expand(&[-1, 1 << 20])?)
}

/// The model's own hidden states, each number a position: of as many positions a loss makes a matrix.
pub fn square(layers: &TensorList) -> Result<Features> {
    let mut hidden = TensorList::default();
    for index in 0..layers.len() {
        let layer = layers.get(index)?;
        hidden.push(&layer.reshape(&[layer.shape()[0], -1, 1])?)?;
    }
    Ok(Features { hidden, ..Default::default() })
}

/// Logits that train nothing beside a loss that does.
pub fn detached(outputs: &Outputs) -> Result<Features> {
    let losses = outputs.get("loss")?.into_iter().collect();
    Ok(Features { logits: outputs.tensor("logits")?.detach()?.into(), losses, ..Default::default() })
}

/// A loss alone: nothing is learnt from the teacher.
pub fn without_logits(outputs: &Outputs) -> Result<Features> {
    of_loss(outputs.tensor("loss")?)
}
