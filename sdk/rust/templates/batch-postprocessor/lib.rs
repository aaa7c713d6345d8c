//! Hides every tenth token from the models: BERT's `[MASK]` stands in its place.

use brewer_sdk::prelude::*;

const MASK: i64 = 103;

fn process(_: &Context, mut batch: Batch) -> Result<Batch> {
    let ids = batch.tensor("input_ids")?;
    let length = ids.shape()[1];
    let positions = Tensor::arange(0, length, 1, Kind::Int64)?.unsqueeze(-1)?;
    let hidden = positions.eq(&Tensor::arange(0, length, 10, Kind::Int64)?)?.any(&[1], false)?;
    batch.insert("input_ids", &ids.masked_fill(&hidden, MASK)?)?;
    Ok(batch)
}

brewer_sdk::export_batch_postprocessor!(process);
