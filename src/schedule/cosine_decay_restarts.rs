//! Half a cosine wave down again and again (Loshchilov and Hutter, 2017), as Keras' `CosineDecayRestarts`.
//!
//! ```text
//! rate = initial * ((1 - alpha) * m_mul^turn * (1 + cos(pi * share of the turn)) / 2 + alpha)
//! ```

use super::{Length, ScheduleDefinition, Span, between};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Lets the rate fall along half a cosine wave, start again and fall again, each time more slowly if wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["CosineAnnealingWarmRestarts", "sgdr"], "examples" = [
    {"initial_learning_rate": 0.1, "first_decay_steps": {"epochs": 5}},
    {"initial_learning_rate": 0.1, "first_decay_steps": 100, "t_mul": 1.0, "m_mul": 0.9, "alpha": 0.01}
]))]
pub struct CosineDecayRestarts {
    /// The rate at the beginning.
    #[schemars(range(min = 0, max = 100))]
    pub initial_learning_rate: f64,
    /// How long the rate falls before it starts again the first time, in steps or as `{epochs: 5}`.
    #[schemars(extend("x-known-as" = ["T_0"], "examples" = [1000, {"epochs": 5}]))]
    pub first_decay_steps: Span,
    /// How many times as long as the last one each further fall takes.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 1000), extend("x-known-as" = ["T_mult"]))]
    pub t_mul: f64,
    /// How high each start is as a share of the last one.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub m_mul: f64,
    /// What remains at the end of each fall, as a share of the first rate.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub alpha: f64,
}

fn two() -> f64 {
    2.0
}

fn one() -> f64 {
    1.0
}

/// In float32 a start comes a step late where the logarithm of a whole power falls short of it; so much is bridged.
const SLACK: f64 = 1e-9;

impl ScheduleDefinition for CosineDecayRestarts {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let fallen = step as f64 / self.first_decay_steps.steps(training) as f64;
        // After n turns there have been 1 + t_mul + ... + t_mul^(n - 1) times the first one's steps.
        let (turn, share) = if self.t_mul == 1.0 {
            (fallen.floor(), fallen.fract())
        } else {
            let turn = ((1.0 - fallen * (1.0 - self.t_mul)).ln() / self.t_mul.ln() + SLACK).floor();
            let power = self.t_mul.powf(turn);
            (turn, ((fallen - (1.0 - power) / (1.0 - self.t_mul)) / power).max(0.0))
        };
        let height = self.m_mul.powf(turn) * 0.5 * (1.0 + (PI * share).cos());
        self.initial_learning_rate * between(self.alpha, 1.0, height)
    }

    fn largest(&self) -> f64 {
        self.initial_learning_rate
    }

    fn hangs_on_length(&self) -> bool {
        false
    }
}
