//! The training loop. It emits events and prints nothing.

mod answer;
mod event;
mod loss_scale;
mod session;
mod watch;

pub(crate) use answer::{Awaited, ahead};
pub use event::{Event, Moment, Observer};
pub use session::{Outcome, Session, Training};
