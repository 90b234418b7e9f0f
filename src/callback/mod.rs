//! What accompanies training: Keras' callbacks, one file each. Some look at the figures after every epoch and may stop
//! training; others only have something written down.

use crate::family;

/// What a callback wants done after an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Keep a copy of the weights as they are now, the best so far.
    pub keep_weights: bool,
    /// Train no further.
    pub stop: bool,
}

/// A callback at work.
pub trait Callback {
    /// Looks at `figures` after `epoch`, counted from 0.
    fn epoch_ended(&mut self, epoch: usize, figures: &[(String, f64)]) -> Verdict;

    /// What it remembers of the epochs so far.
    fn memory(&self) -> serde_json::Value;

    /// Goes on with what an earlier one remembered; says whether that could be understood.
    fn recall(&mut self, memory: &serde_json::Value) -> bool;
}

/// The figure that a callback looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitor<'a> {
    /// Its name, such as `val_loss`.
    pub figure: &'a str,
    /// The direction that the pipeline says is better.
    pub mode: early_stopping::Mode,
}

/// What all callbacks share.
pub trait CallbackDefinition {
    /// The figure that it looks at, where it looks at one.
    fn monitor(&self) -> Option<Monitor<'_>> {
        None
    }

    /// Whether anything can come of it in a training of so many epochs.
    fn can_act(&self, _epochs: usize) -> bool {
        true
    }

    /// Starts to judge epochs, where that is what it does; `larger_is_better` of the monitored figure decides where the
    /// pipeline says `auto`.
    fn start(&self, _larger_is_better: bool) -> Option<Box<dyn Callback>> {
        None
    }

    /// How often TensorBoard's event files get figures, where it wants such files.
    fn event_files(&self) -> Option<tensorboard::UpdateFreq> {
        None
    }
}

family! {
    /// What accompanies training.
    pub enum CallbackChoice("callback"): CallbackDefinition {
        early_stopping::EarlyStopping,
        tensorboard::Tensorboard,
    }
}
