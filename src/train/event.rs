//! What happens in a run, for whoever listens: the terminal, the run's record, TensorBoard's event files.

use super::Session;
use crate::{
    diagnostic::Result,
    run::{EpochRecord, EvaluationRecord, Inspection},
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The data were looked at; training is about to begin.
    DataSeen(&'a Inspection),
    /// An epoch begins.
    EpochStarted {
        /// From 1.
        epoch: usize,
        /// The most epochs there may be.
        epochs: usize,
        /// Steps in this one.
        steps: usize,
        /// Optimizer steps of the whole training made before.
        before: u64,
    },
    /// An optimizer step was made.
    StepEnded {
        /// Steps of this epoch so far.
        step: usize,
        /// Images of this epoch so far.
        images: usize,
        /// The mean loss over the batch.
        loss: f64,
        /// Figures over this epoch so far.
        figures: &'a [(String, f64)],
    },
    /// A callback wants the weights as they are now in a file of the run.
    WeightsWanted {
        /// Its name.
        file: &'a str,
        /// What it holds.
        weights: &'a [u8],
    },
    /// An epoch ended, validation included.
    EpochEnded(&'a EpochRecord),
    /// The model was evaluated on the test data.
    Evaluated(&'a EvaluationRecord),
}

/// Listens to events.
pub trait Observer {
    /// Something happened.
    ///
    /// # Errors
    /// Where the observer cannot do its work, such as write a file; the run ends with it.
    fn observe(&mut self, event: &Event<'_>) -> Result<()>;

    /// Training rests between two steps: what it stands at can be kept.
    ///
    /// # Errors
    /// As [`Observer::observe`].
    fn at_rest(&mut self, _session: &Session<'_>, _moment: Moment) -> Result<()> {
        Ok(())
    }
}

/// Hears everything and does nothing: of several processes only the first one tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&mut self, _: &Event<'_>) -> Result<()> {
        Ok(())
    }
}

/// When training rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Within an epoch.
    Step,
    /// At the end of an epoch.
    Epoch,
    /// Nothing more is trained: all epochs are done, or the user wants to stop.
    Last,
}
