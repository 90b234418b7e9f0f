//! A queue between the thread that makes batches ready and the one that uses them, which finds its own length.

use crate::stage::ReadAhead;
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The most batches that are made ready where the length is found by itself.
const MOST: usize = 64;
/// The most bytes that these may have, but for the first two of them.
const MOST_BYTES: usize = 256 << 20;

/// Items in order, from one thread to another.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// How many items are made ready.
    limit: usize,
    /// How far the limit may grow.
    most: usize,
    /// Whether the queue was full since the limit was last raised.
    was_full: bool,
    /// Whether no more items come, or nobody wants them.
    closed: bool,
}

impl<T> Queue<T> {
    /// One that reads ahead so far, of items of `bytes` bytes.
    pub fn new(ahead: Option<ReadAhead>, bytes: usize) -> Self {
        let (limit, most) = match ahead {
            // One is always in the making while the model is at work.
            None => (1, 1),
            Some(ReadAhead::Fixed(count)) => (count.max(1), count.max(1)),
            Some(ReadAhead::Automatic) => (2, (MOST_BYTES / bytes.max(1)).clamp(2, MOST)),
        };
        let state = State { items: VecDeque::new(), limit, most, was_full: false, closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code that holds it can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item once there is room; false where nobody wants it.
    pub fn push(&self, item: T) -> bool {
        let mut state = self.lock();
        while state.items.len() >= state.limit && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        state.items.push_back(item);
        state.was_full |= state.items.len() == state.limit;
        self.changed.notify_all();
        true
    }

    /// The next item, once it is there; nothing where no more come.
    pub fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        // As tf.data does: full and then empty means that batches come unevenly, and that more of them would have helped.
        if state.items.is_empty() && state.was_full && state.limit < state.most {
            state.limit = (2 * state.limit).min(state.most);
            state.was_full = false;
            self.changed.notify_all();
        }
        while state.items.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let item = state.items.pop_front();
        self.changed.notify_all();
        item
    }

    /// Ends it: what is in it can still be taken, nothing can be added.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_then_none() {
        let queue = Queue::new(Some(ReadAhead::Fixed(3)), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..100).for_each(|item| assert!(queue.push(item)));
                queue.close();
            });
            for item in 0..100 {
                assert_eq!(queue.pop(), Some(item));
            }
            assert_eq!(queue.pop(), None);
        });
        assert!(!queue.push(1));
    }

    #[test]
    fn it_grows_where_it_was_full_and_then_empty() {
        let limit = |queue: &Queue<u8>| queue.lock().limit;
        let queue = Queue::new(Some(ReadAhead::Automatic), 1);
        assert_eq!(limit(&queue), 2);
        // Never full: whoever makes the batches is too slow, and more room wouldn't help.
        assert!(queue.push(0));
        assert_eq!(queue.pop(), Some(0));
        (0..2).for_each(|_| assert!(queue.push(0)));
        (0..2).for_each(|_| assert_eq!(queue.pop(), Some(0)));
        assert_eq!(limit(&queue), 2);
        // Closed, so that asking an empty queue comes back.
        queue.close();
        assert_eq!((queue.pop(), limit(&queue)), (None, 4));
        let few = Queue::<u8>::new(Some(ReadAhead::Automatic), MOST_BYTES);
        assert_eq!(few.lock().most, 2);
        assert_eq!(Queue::<u8>::new(Some(ReadAhead::Fixed(5)), 1).lock().most, 5);
    }
}
