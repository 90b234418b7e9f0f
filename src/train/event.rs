//! What happens while training, for whoever listens: the terminal, the run's record.

use crate::run::EpochRecord;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An epoch begins.
    EpochStarted {
        /// From 1.
        epoch: usize,
        /// The most epochs there may be.
        epochs: usize,
        /// Steps in this one.
        steps: usize,
    },
    /// An optimizer step was made.
    StepEnded {
        /// Steps of this epoch so far.
        step: usize,
        /// Images of this epoch so far.
        images: usize,
        /// Figures over this epoch so far.
        figures: &'a [(String, f64)],
    },
    /// An epoch ended, validation included.
    EpochEnded(&'a EpochRecord),
}

/// Listens to events.
pub trait Observer {
    /// Something happened.
    ///
    /// # Errors
    /// Where the observer cannot do its work, such as write a file; training ends with it.
    fn observe(&mut self, event: &Event<'_>) -> crate::diagnostic::Result<()>;
}
