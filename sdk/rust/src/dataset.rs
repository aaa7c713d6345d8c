//! The experiment's data, for callbacks. The experiment must permit it (`"permissions": ["dataset"]`).

use crate::{Batch, Result, bindings::brewer::plugin::dataset};

/// The names of the splits: `train`, `dev`.
pub fn splits() -> Result<Vec<String>> {
    Ok(dataset::splits()?)
}

/// How many batches a split has.
pub fn num_batches(split: &str) -> Result<u32> {
    Ok(dataset::num_batches(split)?)
}

/// A batch of a split, counted from 0; the same at each checkpoint.
pub fn read_batch(split: &str, index: u32) -> Result<Batch> {
    Ok(Batch::from_handle(dataset::read_batch(split, index)?))
}

/// All batches of a split, each read when it is reached.
pub fn batches(split: &str) -> Result<impl Iterator<Item = Result<Batch>>> {
    Ok((0..num_batches(split)?).map(move |index| read_batch(split, index)))
}
