//! Up to a peak and down again within the training (Smith and Topin, 2018): with a short rise the triangle of airbench, with
//! cosines PyTorch's `OneCycleLR`.
//!
//! ```text
//! share = step / steps of the training
//! rate  = peak * (start_factor -> 1) while share < warmup_share, then peak * (1 -> end_factor)
//! ```

use super::{Length, ScheduleDefinition, between};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

fn start_factor() -> f64 {
    0.04
}

fn warmup_share() -> f64 {
    0.3
}

/// How the rate goes from one value to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Straight.
    #[default]
    Linear,
    /// Along half a cosine wave.
    Cosine,
}

/// Lets the rate rise to a peak, then fall until the training ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["OneCycleLR", "triangular"], "examples" = [
    {"peak_learning_rate": 0.01},
    {"peak_learning_rate": 0.2, "start_factor": 0.2, "warmup_share": 0.1}
]))]
pub struct OneCycle {
    /// The largest rate.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100, "x-known-as" = ["max_lr"]))]
    pub peak_learning_rate: f64,
    /// With what share of the peak it begins.
    #[serde(default = "start_factor")]
    #[schemars(range(min = 0, max = 1))]
    pub start_factor: f64,
    /// With what share of the peak it ends.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub end_factor: f64,
    /// The share of the training in which it rises.
    #[serde(default = "warmup_share")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["pct_start"]))]
    pub warmup_share: f64,
    /// How it goes from one value to the next.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["anneal_strategy"]))]
    pub interpolation: Interpolation,
}

impl ScheduleDefinition for OneCycle {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let share = (step as f64 / training.steps.max(1) as f64).min(1.0);
        let (from, to, way) = if share < self.warmup_share {
            (self.start_factor, 1.0, share / self.warmup_share)
        } else if self.warmup_share < 1.0 {
            (1.0, self.end_factor, (share - self.warmup_share) / (1.0 - self.warmup_share))
        } else {
            (1.0, 1.0, 1.0)
        };
        let way = match self.interpolation {
            Interpolation::Linear => way,
            Interpolation::Cosine => 0.5 * (1.0 - (PI * way).cos()),
        };
        self.peak_learning_rate * between(from, to, way)
    }

    fn largest(&self) -> f64 {
        self.peak_learning_rate
    }

    fn hangs_on_length(&self) -> bool {
        true
    }
}
