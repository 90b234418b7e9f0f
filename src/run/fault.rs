//! Places where tests make the file system fail, or the process die: before each write, sync and rename.
//!
//! With the feature `faults` and `TRAINYARD_FAULT=kill:N` the process ends at the N-th such place as `kill -9` would end it;
//! with `full:N` that place and all later ones find the disk full. Without the feature there is nothing here.

use std::io;

/// A place where something may go wrong.
#[cfg(not(feature = "faults"))]
#[inline]
pub(super) fn point() -> io::Result<()> {
    Ok(())
}

/// A place where something may go wrong.
#[cfg(feature = "faults")]
pub(super) fn point() -> io::Result<()> {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: LazyLock<Option<(bool, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("TRAINYARD_FAULT").ok()?;
        let (kind, number) = wanted.split_once(':')?;
        Some((kind == "kill", number.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let here = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    match *WANTED {
        // No destructor runs, as with `kill -9`.
        Some((true, number)) if here == number => std::process::abort(),
        Some((false, number)) if here >= number => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}
