//! The training loop. It emits events and prints nothing.

mod event;
mod session;
mod watch;

pub use event::{Event, Moment, Observer, Silent};
pub use session::{Outcome, Session, Training};
