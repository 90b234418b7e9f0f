//! A power of what is left of the way, by default a straight line, as Keras' `PolynomialDecay`.
//!
//! ```text
//! rate = (initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ^ power + end_learning_rate
//! ```

use super::{Length, ScheduleDefinition, Span, between};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn end_learning_rate() -> f64 {
    0.0001
}

fn power() -> f64 {
    1.0
}

/// Leads the rate to another one, straight or along a power.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["PolynomialLR", "LinearLR"], "examples" = [
    {"initial_learning_rate": 0.001, "end_learning_rate": 0.0},
    {"initial_learning_rate": 0.01, "decay_steps": 30, "power": 0.5, "cycle": true}
]))]
pub struct PolynomialDecay {
    /// The rate at the beginning.
    #[schemars(range(min = 0, max = 100))]
    pub initial_learning_rate: f64,
    /// How long it takes, in steps or as `{epochs: 10}`; the whole training where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span", extend("x-default" = "the whole training", "x-known-as" = ["total_iters"], "examples" = [1000, {"epochs": 10}]))]
    pub decay_steps: Option<Span>,
    /// The rate at the end.
    #[serde(default = "end_learning_rate")]
    #[schemars(range(min = 0, max = 100))]
    pub end_learning_rate: f64,
    /// The power; 1 is a straight line.
    #[serde(default = "power")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
    pub power: f64,
    /// Whether, behind the end, it begins anew over a multiple of `decay_steps`.
    #[serde(default)]
    pub cycle: bool,
}

impl ScheduleDefinition for PolynomialDecay {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let whole = self.decay_steps.map_or(training.steps, |span| span.steps(training)).max(1);
        let whole = if self.cycle { whole * step.div_ceil(whole).max(1) } else { whole };
        let left = 1.0 - step.min(whole) as f64 / whole as f64;
        between(self.end_learning_rate, self.initial_learning_rate, left.powf(self.power))
    }

    fn largest(&self) -> f64 {
        self.initial_learning_rate.max(self.end_learning_rate)
    }

    fn hangs_on_length(&self) -> bool {
        self.decay_steps.is_none()
    }
}
