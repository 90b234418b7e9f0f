//! The training loop. It emits events and prints nothing.

mod event;
mod session;

pub use event::{Event, Moment, Observer};
pub use session::{Outcome, Session, Training};
