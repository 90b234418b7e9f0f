//! What works on untrusted files may panic where a file contradicts itself: decoders of others, and what is made of the
//! numbers of a record. Here that becomes a failure.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};

thread_local! {
    /// Whether a panic of this thread is about to become a failure.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// How many calls are under way whose panics happen on threads of their own.
static ELSEWHERE: AtomicUsize = AtomicUsize::new(0);

/// Of a panic that becomes a failure nobody is to hear.
fn keep_silent() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() && ELSEWHERE.load(Ordering::Relaxed) == 0 {
                tell(info);
            }
        }));
    });
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
}

/// The result of `call`, which works on this thread alone; where it panics, what was said.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    keep_silent();
    let before = CAUGHT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    CAUGHT.set(before);
    result.map_err(|panic| said(&*panic))
}

/// The same for a call that has threads of its own.
pub(crate) fn caught_elsewhere<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    ELSEWHERE.fetch_add(1, Ordering::Relaxed);
    let result = caught(call);
    ELSEWHERE.fetch_sub(1, Ordering::Relaxed);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_what_it_said() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| panic!("at {}", 7)).map(|(): ()| ()), Err("at 7".to_owned()));
        assert_eq!(caught_elsewhere(|| panic!("plain")).map(|(): ()| ()), Err("plain".to_owned()));
        assert_eq!((CAUGHT.get(), ELSEWHERE.load(Ordering::Relaxed)), (false, 0));
    }
}
