use std::sync::Arc;

use super::{Task, TaskOrder};
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
    pub fn new(tasks: &[Task], order: TaskOrder) -> Self {
        let streams = tasks.iter().map(|task| Stream::new(task.loader.clone(), Arc::new(task.views.clone())));
        Self { streams: streams.collect(), order }
    }

    /// The next step's task and batch.
    pub fn next(&mut self) -> Result<(usize, ModelBatches)> {
        let task = self.order.next_task();
        Ok((task, self.streams[task].next()?))
    }
}

impl Stream {
    fn new(loader: Loader, views: Arc<Views>) -> Self {
        let batches = epoch(&loader, &views, 0);
        Self { loader, views, epoch: 0, batches }
    }

    fn next(&mut self) -> Result<ModelBatches> {
        loop {
            if let Some(batch) = self.batches.next() {
                return batch;
            }
            // An epoch has one batch or more, so this ends.
            self.epoch += 1;
            self.batches = epoch(&self.loader, &self.views, self.epoch);
        }
    }
}

fn epoch(loader: &Loader, views: &Arc<Views>, epoch: u64) -> Box<dyn Iterator<Item = Result<ModelBatches>>> {
    let views = Arc::clone(views);
    Box::new(loader.epoch_of(epoch, move |examples| views.batches(examples)))
}
