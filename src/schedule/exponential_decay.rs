//! `rate = initial_learning_rate * decay_rate ^ (step / decay_steps)`, as Keras' `ExponentialDecay`.

use super::{Length, ScheduleDefinition, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Multiplies the rate by the same factor every so many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["ExponentialLR", "StepLR"], "examples" = [
    {"initial_learning_rate": 0.001, "decay_rate": 0.01},
    {"initial_learning_rate": 0.1, "decay_steps": {"epochs": 1}, "decay_rate": 0.9, "staircase": true}
]))]
pub struct ExponentialDecay {
    /// The rate at the beginning.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
    pub initial_learning_rate: f64,
    /// After how long it has been multiplied once, in steps or as `{epochs: 1}`; after the whole training where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span", extend("x-default" = "the whole training", "x-known-as" = ["step_size"], "examples" = [1000, {"epochs": 1}]))]
    pub decay_steps: Option<Span>,
    /// The factor.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1, "x-known-as" = ["gamma"]))]
    pub decay_rate: f64,
    /// Whether it falls at once after every `decay_steps`, and not a little in each step.
    #[serde(default)]
    pub staircase: bool,
}

impl ScheduleDefinition for ExponentialDecay {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let whole = self.decay_steps.map_or(training.steps, |span| span.steps(training)).max(1);
        let times = step as f64 / whole as f64;
        self.initial_learning_rate * self.decay_rate.powf(if self.staircase { times.floor() } else { times })
    }

    fn largest(&self) -> f64 {
        self.initial_learning_rate
    }

    fn hangs_on_length(&self) -> bool {
        self.decay_steps.is_none()
    }
}
