//! Memory for batches that is used again: a batch is as large as the one before, and fresh memory has to be zeroed.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// Buffers that wait for the next batch.
#[derive(Debug, Default)]
pub struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// A buffer of so many bytes, with whatever is in them.
    pub fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        bytes.resize(length, 0);
        Buffer { bytes, home: Some(self.clone()) }
    }
}

/// Bytes that go back to the pool they came from.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Option<Arc<Pool>>,
}

impl Buffer {
    /// Leaves only so many of the bytes.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.0.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Buffer { bytes, home: None }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_has_the_length_that_is_asked_for() {
        let pool = Arc::new(Pool::default());
        let mut first = pool.take(4);
        first.copy_from_slice(&[1, 2, 3, 4]);
        let copy = first.clone();
        drop(first);
        let second = pool.take(2);
        assert_eq!((second.len(), pool.0.lock().unwrap().len()), (2, 0));
        drop((second, copy));
        assert_eq!(pool.take(6).len(), 6);
        // A copy has no home to go to.
        assert_eq!(pool.0.lock().unwrap().len(), 1);
    }
}
