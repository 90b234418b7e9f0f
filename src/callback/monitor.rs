//! What callbacks that look at a figure share.

use super::Ended;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which direction is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As the figure says: losses are to fall, accuracies to rise.
    #[default]
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

/// The figure that a callback looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitor<'a> {
    /// Its name, such as `val_loss`.
    pub figure: &'a str,
    /// The direction that the pipeline says is better.
    pub mode: Mode,
}

impl Mode {
    /// Whether larger is better, where of the figure itself it is so or not.
    pub(super) fn larger_is_better(self, of_figure: bool) -> bool {
        match self {
            Mode::Auto => of_figure,
            Mode::Min => false,
            Mode::Max => true,
        }
    }
}

/// What is better than what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Better {
    pub larger: bool,
    /// By how much at least.
    pub min_delta: f64,
}

impl Better {
    /// Whether `value` is better than `reference` by more than `min_delta`.
    pub fn than(self, value: f64, reference: f64) -> bool {
        if self.larger { value - self.min_delta > reference } else { value + self.min_delta < reference }
    }
}

/// The figure of that name.
pub(super) fn figure(ended: &Ended<'_>, name: &str) -> Option<f64> {
    ended.figures.iter().find(|(figure, _)| figure == name).map(|(_, value)| *value)
}
