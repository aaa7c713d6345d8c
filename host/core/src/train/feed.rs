use std::sync::Arc;

use super::{TaskOrder, TrainingTask};
use crate::Result;
use crate::data::{Loader, ModelBatches, Views};

/// What the forward steps of a run are fed with: the task of each, and that task's next batch. A task goes through its
/// data epoch by epoch, for as long as the run lasts.
pub(super) struct Feed {
    streams: Vec<Stream>,
    order: TaskOrder,
}

struct Stream {
    loader: Loader,
    views: Arc<Views>,
    epoch: u64,
    batches: Box<dyn Iterator<Item = Result<ModelBatches>>>,
}

impl Feed {
    /// The feed after `steps` forward steps.
    pub fn new(tasks: &[TrainingTask], mut order: TaskOrder, steps: u64) -> Self {
        let mut taken = vec![0; tasks.len()];
        (0..steps).for_each(|_| taken[order.next_task()] += 1);
        let streams = tasks.iter().zip(taken);
        let streams = streams.map(|(task, taken)| Stream::new(task.loader.clone(), task.views.clone().into(), taken));
        Self { streams: streams.collect(), order }
    }

    /// The next step's task and batch.
    pub fn next(&mut self) -> Result<(usize, ModelBatches)> {
        let task = self.order.next_task();
        Ok((task, self.streams[task].next()?))
    }
}

impl Stream {
    /// The stream after `taken` batches.
    fn new(loader: Loader, views: Arc<Views>, taken: usize) -> Self {
        let (epoch, first) = (taken / loader.len(), taken % loader.len());
        let batches = batches(&loader, &views, epoch as u64, first);
        Self { loader, views, epoch: epoch as u64, batches }
    }

    fn next(&mut self) -> Result<ModelBatches> {
        loop {
            if let Some(batch) = self.batches.next() {
                return batch;
            }
            // An epoch has one batch or more, so this ends.
            self.epoch += 1;
            self.batches = batches(&self.loader, &self.views, self.epoch, 0);
        }
    }
}

/// The batches of an epoch from `first` on.
fn batches(
    loader: &Loader,
    views: &Arc<Views>,
    epoch: u64,
    first: usize,
) -> Box<dyn Iterator<Item = Result<ModelBatches>>> {
    let views = Arc::clone(views);
    Box::new(loader.epoch_of(epoch, first, move |examples| views.batches(examples)))
}
