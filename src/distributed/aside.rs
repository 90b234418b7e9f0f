//! Work on a thread of its own, which is left alone where nobody waits for it any longer.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

/// What `work` comes to. Each time that `look` is over and it isn't done, `go_on` says whether somebody still waits; nothing where
/// the work ends without an answer.
///
/// # Errors
/// What `go_on` says.
pub(super) fn aside<T: Send + 'static, E>(
    look: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Option<T>, E> {
    let (send, receive) = channel();
    std::thread::spawn(move || send.send(work()));
    loop {
        match receive.recv_timeout(look) {
            Ok(done) => return Ok(Some(done)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => go_on()?,
        }
    }
}
