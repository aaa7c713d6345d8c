use std::num::NonZeroUsize;
use std::sync::Arc;

use super::prefetch::Prefetch;
use super::{Dataset, Order};
use crate::{Batch, Result};

/// Goes through a data set, epoch by epoch, in batches.
#[derive(Debug, Clone)]
pub struct Loader {
    dataset: Arc<Dataset>,
    batch_size: NonZeroUsize,
    order: Order,
}

impl Loader {
    /// Batches of `batch_size` examples of a data set, in that order.
    pub fn new(dataset: Arc<Dataset>, batch_size: NonZeroUsize, order: Order) -> Self {
        Self { dataset, batch_size, order }
    }

    /// The number of batches in an epoch, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a data set has one example or more")]
    pub fn len(&self) -> usize {
        self.dataset.len().div_ceil(self.batch_size.get())
    }

    /// The number of examples in a batch but the last.
    pub fn batch_size(&self) -> usize {
        self.batch_size.get()
    }

    /// The data set that it goes through.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Which examples the batches of an epoch hold: batch k those of the k-th chunk of `batch_size`. The examples are
    /// numbered in the order of the file.
    pub fn examples(&self, epoch: u64) -> Vec<usize> {
        self.order.examples(&self.dataset, epoch)
    }

    /// The batches of an epoch, on the CPU; see [`Dataset::batch`]. Every example is in exactly one of them, and the
    /// last may be smaller. They are made ahead in a thread of their own, which ends with the iterator.
    pub fn epoch(&self, epoch: u64) -> impl Iterator<Item = Result<Batch>> + Send + use<> {
        let dataset = Arc::clone(&self.dataset);
        self.epoch_of(epoch, 0, move |examples| dataset.batch(examples))
    }

    /// As [`Loader::epoch`] from batch `first` on, with what `make` makes of the examples of each batch.
    pub fn epoch_of<T, M>(
        &self,
        epoch: u64,
        first: usize,
        make: M,
    ) -> impl Iterator<Item = Result<T>> + Send + use<T, M>
    where
        T: Send + 'static,
        M: Fn(&[usize]) -> Result<T> + Send + 'static,
    {
        let batch_size = self.batch_size.get();
        let examples = self.examples(epoch);
        let mut start = first.saturating_mul(batch_size);
        Prefetch::new(std::iter::from_fn(move || {
            let rest = examples.get(start..).filter(|rest| !rest.is_empty())?;
            let batch = &rest[..rest.len().min(batch_size)];
            start += batch.len();
            Some(make(batch))
        }))
    }
}
