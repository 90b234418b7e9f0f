//! The training loop. It emits events and prints nothing.

mod event;
mod run;

pub use event::{Event, Observer};
pub use run::{Outcome, Training, train};
