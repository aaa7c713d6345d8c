use std::panic;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// How many items wait while the last one is used.
const AHEAD: usize = 3;

/// Runs an iterator in a thread of its own, a few items ahead of its use. The thread ends with the iterator, or when
/// this is dropped; a panic in it goes on in the thread that asks for the next item.
#[derive(Debug)]
pub(super) struct Prefetch<T> {
    /// Taken when the iterator has ended.
    running: Option<(Receiver<T>, JoinHandle<()>)>,
}

impl<T: Send + 'static> Prefetch<T> {
    pub fn new(items: impl Iterator<Item = T> + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(AHEAD);
        let thread = thread::spawn(move || {
            for item in items {
                // Nobody wants the rest.
                if sender.send(item).is_err() {
                    break;
                }
            }
        });
        Self { running: Some((receiver, thread)) }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (receiver, _) = self.running.as_ref()?;
        if let Ok(item) = receiver.recv() {
            return Some(item);
        }
        let (_, thread) = self.running.take()?;
        if let Err(payload) = thread.join() {
            panic::resume_unwind(payload);
        }
        None
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        if let Some((receiver, thread)) = self.running.take() {
            // A thread that waits to send learns by this that it must end.
            drop(receiver);
            // Its panic is of no interest any more, and one while dropping would abort the process.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_items_arrive_in_order() {
        let items: Vec<u32> = Prefetch::new(0..100).collect();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn dropping_it_ends_the_thread() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let mut items = Prefetch::new((0..).inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(items.next(), Some(0));
        drop(items);
        // The counter is the thread's no more.
        assert_eq!(Arc::strong_count(&made), 1);
        assert!(made.load(Ordering::Relaxed) <= AHEAD + 2);
    }

    #[test]
    fn a_panic_arrives_where_the_item_is_asked_for() {
        let mut items = Prefetch::new((0..).inspect(|&item| assert!(item < 2, "broken")));
        assert_eq!((items.next(), items.next()), (Some(0), Some(1)));
        let panic = panic::catch_unwind(AssertUnwindSafe(|| items.next())).unwrap_err();
        assert!(panic.downcast_ref::<&str>().is_some_and(|message| message.contains("broken")));
        assert_eq!(items.next(), None);
    }
}
