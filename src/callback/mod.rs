//! What accompanies training: Keras' callbacks, one file each. Some look at the figures after every epoch and may stop
//! training; others only have something written down.

mod monitor;

pub use monitor::{Mode, Monitor};

use crate::family;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a callback wants done after an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Keep a copy of the weights as they are now, the best so far.
    pub keep_weights: bool,
    /// Write the weights as they are now into the file of this name.
    pub write_weights: Option<String>,
    /// Multiply the learning rate by this from now on.
    pub learning_rate_factor: Option<f64>,
    /// Train no further, for this reason.
    pub stop: Option<String>,
}

/// An epoch that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// From 0.
    pub epoch: usize,
    /// Its figures.
    pub figures: &'a [(String, f64)],
    /// The rate of its last step.
    pub learning_rate: f64,
}

/// Takes back what a callback remembered; says whether that could be understood.
fn recall<T: DeserializeOwned + Default>(remembered: &mut T, memory: &serde_json::Value) -> bool {
    let found = T::deserialize(memory);
    let understood = found.is_ok();
    *remembered = found.unwrap_or_default();
    understood
}

/// A callback at work.
pub trait Callback {
    /// Looks at an epoch that has ended.
    fn epoch_ended(&mut self, ended: &Ended<'_>) -> Verdict;

    /// What it remembers of the epochs so far.
    fn memory(&self) -> serde_json::Value;

    /// Goes on with what an earlier one remembered; says whether that could be understood.
    fn recall(&mut self, memory: &serde_json::Value) -> bool;
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

    /// Whether it puts back earlier weights when training ends.
    fn restores_weights(&self) -> bool {
        false
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
        reduce_lr_on_plateau::ReduceLrOnPlateau,
        model_checkpoint::ModelCheckpoint,
        target_metric::TargetMetric,
        time_limit::TimeLimit,
        tensorboard::Tensorboard,
    }
}
