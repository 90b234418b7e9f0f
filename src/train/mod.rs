//! The training loop. It emits events and prints nothing.

mod agreement;
mod event;
mod reduction;
mod session;
mod step;
#[cfg(test)]
mod tests;
mod watch;

pub use event::{Event, Moment, Observer, Silent};
pub use session::{Outcome, Session, Training};
