//! The training loop. It emits events and prints nothing.

mod event;
mod run;

pub use event::{Event, Observer};
pub use run::{Outcome, Training, train};

/// What evaluation shares with training.
pub(crate) mod internals {
    pub(crate) use super::run::{Figures, computation, in_layer, to_device};
}
