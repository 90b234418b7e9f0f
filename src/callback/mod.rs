//! What looks at the figures after every epoch and may stop training: Keras' callbacks, one file each.

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

    /// Whether the kept weights are to be put back when training ends.
    fn restores_weights(&self) -> bool;
}

/// What all callbacks share.
pub trait CallbackDefinition {
    /// The figure that it looks at.
    fn monitor(&self) -> &str;

    /// The direction that the pipeline says is better.
    fn mode(&self) -> early_stopping::Mode;

    /// Whether anything can come of it in a training of so many epochs.
    fn can_act(&self, epochs: usize) -> bool;

    /// Starts to work; `larger_is_better` of the monitored figure decides where the pipeline says `auto`.
    fn start(&self, larger_is_better: bool) -> Box<dyn Callback>;
}

family! {
    /// What looks at the figures after every epoch.
    pub enum CallbackChoice("callback"): CallbackDefinition {
        early_stopping::EarlyStopping,
    }
}
