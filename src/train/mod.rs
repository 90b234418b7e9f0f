//! The training loop. It emits events and prints nothing.

mod agreement;
mod answer;
mod event;
mod loss_scale;
mod reduction;
mod session;
mod step;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use answer::{Awaited, ahead};
pub use event::{Event, Moment, Observer, Silent};
pub use session::{Outcome, Session, Training};
