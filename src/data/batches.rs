//! Batches that another thread makes ready, in their order.

use super::{HostBatch, queue::Queue};
use crate::{diagnostic::Result, stage::ReadAhead};
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Ends the queue with the thread that fills it, however that ends: nobody is to wait for what doesn't come.
struct Closing(Arc<Queue<Result<HostBatch>>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Batches in their order.
pub struct Batches {
    queue: Arc<Queue<Result<HostBatch>>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
    steps: usize,
}

impl Batches {
    /// Has `all`, which are so many, made ready on a thread of their own, `ahead` of the caller. The largest has so many bytes.
    pub(super) fn begin(
        all: impl Iterator<Item = Result<HostBatch>> + Send + 'static,
        steps: usize,
        ahead: Option<ReadAhead>,
        largest: usize,
    ) -> Self {
        let queue = Arc::new(Queue::new(ahead, largest));
        let into = Closing(queue.clone());
        let thread = std::thread::Builder::new()
            .name("data".to_owned())
            .spawn(move || {
                for batch in all {
                    let failed = batch.is_err();
                    // A closed queue: nobody wants the rest.
                    if !into.0.push(batch) || failed {
                        break;
                    }
                }
            })
            .expect("threads can be started");
        Batches { queue, thread: Some(thread), waited: Duration::ZERO, steps }
    }

    /// How long the caller has waited for batches so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How many batches there are in all.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

impl Iterator for Batches {
    type Item = Result<HostBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = self.queue.pop();
        self.waited += start.elapsed();
        if batch.is_none()
            && let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            // A mistake of ours isn't the end of the data.
            std::panic::resume_unwind(panic);
        }
        batch
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // The queue goes first, so that the thread ends with the batch at hand.
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
