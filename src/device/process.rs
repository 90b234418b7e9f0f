//! What the standard library doesn't know of processes.

use libc::c_int;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Has the system end this process when `parent`, which started it, ends in whatever way. Where the parent has ended before,
/// the process ends at once.
pub fn end_with(parent: u32) {
    #[cfg(target_os = "linux")]
    // SAFETY: it only sets an attribute of the process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    #[cfg(not(target_os = "linux"))]
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        super::leave(1);
    });
    if std::os::unix::process::parent_id() != parent {
        super::leave(1);
    }
}

/// Counts what comes of these signals from now on, together.
pub fn count_signals(signals: &[i32]) -> Arc<AtomicUsize> {
    let count = Arc::<AtomicUsize>::default();
    for signal in signals {
        let own = count.clone();
        let add = move || {
            own.fetch_add(1, Ordering::Relaxed);
        };
        // SAFETY: what is done in the handler only adds to a number; it neither allocates nor locks.
        let _ = unsafe { signal_hook::low_level::register(*signal, add) };
    }
    count
}

/// Sends a signal to a process.
pub fn signal(process: u32, signal: i32) {
    // SAFETY: it touches no memory of this process.
    unsafe { libc::kill(process as libc::pid_t, signal as c_int) };
}
