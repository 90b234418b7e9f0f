//! The training loop. It emits events and prints nothing.

mod agreement;
mod answer;
mod callback_list;
mod epoch;
mod event;
mod loss_scale;
mod reduction;
mod replicas;
mod session;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod training;
mod watch;

pub(crate) use answer::{Awaited, ahead};
pub use event::{Event, Moment, Observer, Silent};
pub use session::{Outcome, Session};
pub use training::Training;
