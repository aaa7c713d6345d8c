use brewer_sdk::prelude::*;

use crate::deed;

/// Adds a column `task_ids` of zeros; `double` repeats every example, `grow` one of them very often.
pub fn process(_: &Context, mut batch: Batch) -> Result<Batch> {
    match deed()?.as_str() {
        "double" => {
            for name in batch.names() {
                let column = batch.tensor(&name)?;
                batch.insert(&name, &Tensor::cat(&[&column, &column], 0)?)?;
            }
        }
        "grow" => {
            for name in batch.names() {
                let column = batch.tensor(&name)?;
                let mut shape = column.narrow(0, 0, 1)?.shape();
                shape[0] = 1 << 19;
                batch.insert(&name, &column.narrow(0, 0, 1)?.expand(&shape)?)?;
            }
        }
        "empty" => {
            for name in batch.names() {
                batch.remove(&name)?;
            }
        }
        "no-examples" => {
            for name in batch.names() {
                let column = batch.tensor(&name)?;
                batch.insert(&name, &column.narrow(0, 0, 0)?)?;
            }
        }
        "uneven" => batch.insert("other", &Tensor::zeros(&[1, 2], Kind::Int64)?)?,
        "no-name" => batch.insert("", &Tensor::zeros(&[1], Kind::Int64)?)?,
        "wild-ids" => {
            let ids = batch.tensor("input_ids")?;
            batch.insert("input_ids", &(ids * 1_000_000))?;
        }
        "wild-labels" => {
            let labels = batch.tensor("labels")?;
            batch.insert("labels", &(labels * 9))?;
        }
        "wild-name" => {
            let mut named = Batch::default();
            named.insert("a\nwarning: b\u{1b}[2J", &Tensor::zeros(&[0, 1], Kind::Int64)?)?;
            return Ok(named);
        }
        "same-words" => {
            let shape = batch.tensor("input_ids")?.shape();
            batch.insert("input_ids", &Tensor::full(&shape, 5, Kind::Int64)?)?;
        }
        _ => {
            let ids = batch.tensor("input_ids")?;
            batch.insert("task_ids", &Tensor::zeros(&ids.shape(), Kind::Int64)?)?;
        }
    }
    Ok(batch)
}
