//! Places where tests make things go wrong: the file system before each write, sync and rename, and a worker.
//!
//! With the feature `faults`, `TRAINYARD_FAULT` says what: with `kill:N` the process ends at the N-th place in the file system as
//! `kill -9` would end it; with `full:N` that place and all later ones find the disk full; with `panic:N` the making of the N-th batch
//! panics. Without the feature there is nothing here.

use std::io;

/// A place in the file system.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn point() -> io::Result<()> {
    Ok(())
}

/// A batch is made.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn batch() {}

/// A place in the file system.
#[cfg(feature = "faults")]
pub fn point() -> io::Result<()> {
    static PASSED: Counter = Counter::new(0);
    match wanted() {
        // No destructor runs, as with `kill -9`.
        Some(("kill", number)) if next(&PASSED) == number => std::process::abort(),
        Some(("full", number)) if next(&PASSED) >= number => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

/// A batch is made.
#[cfg(feature = "faults")]
pub fn batch() {
    static PASSED: Counter = Counter::new(0);
    if let Some(("panic", number)) = wanted() {
        assert!(next(&PASSED) != number, "a fault that was wanted");
    }
}

#[cfg(feature = "faults")]
use std::sync::atomic::AtomicU64 as Counter;

#[cfg(feature = "faults")]
fn next(counter: &Counter) -> u64 {
    counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
}

#[cfg(feature = "faults")]
fn wanted() -> Option<(&'static str, u64)> {
    static WANTED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("TRAINYARD_FAULT").ok());
    let (kind, number) = WANTED.as_ref()?.split_once(':')?;
    Some((kind, number.parse().ok()?))
}
