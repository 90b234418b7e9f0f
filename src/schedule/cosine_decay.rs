//! Half a cosine wave down (Loshchilov and Hutter, 2017), as Keras' `CosineDecay`.
//!
//! ```text
//! rate = peak * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)
//! ```

use super::{Length, ScheduleDefinition, Span, between};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Lets the rate fall along half a cosine wave: slowly, then fast, then slowly; after a linear rise, if wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["CosineAnnealingLR", "cosine"], "examples" = [
    {"initial_learning_rate": 0.001},
    {"initial_learning_rate": 0.0, "warmup_target": 0.001, "warmup_steps": {"epochs": 1}},
    {"initial_learning_rate": 0.01, "decay_steps": 50, "alpha": 0.1}
]))]
pub struct CosineDecay {
    /// The rate at the beginning.
    #[schemars(range(min = 0, max = 100))]
    pub initial_learning_rate: f64,
    /// How long the rate falls, in steps or as `{epochs: 10}`; what the warm-up leaves of the training where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span", extend("x-default" = "the rest of the training", "x-known-as" = ["T_max"], "examples" = [1000, {"epochs": 10}]))]
    pub decay_steps: Option<Span>,
    /// What remains at the end, as a share of the rate from which it falls.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub alpha: f64,
    /// The rate to which it rises first; without one, it falls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 100), extend("x-default" = "no warm-up", "examples" = [0.001]))]
    pub warmup_target: Option<f64>,
    /// How long it rises, in steps or as `{epochs: 1}`. It goes with `warmup_target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span", extend("x-default" = "no warm-up", "examples" = [100, {"epochs": 1}]))]
    pub warmup_steps: Option<Span>,
}

impl ScheduleDefinition for CosineDecay {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let (mut peak, mut warmup) = (self.initial_learning_rate, 0);
        if let Some(target) = self.warmup_target {
            (peak, warmup) = (target, self.warmup_steps.map_or(0, |span| span.steps(training)));
        }
        if step < warmup {
            return between(self.initial_learning_rate, peak, step as f64 / warmup as f64);
        }
        let whole = self.decay_steps.map_or(training.steps.saturating_sub(warmup), |span| span.steps(training)).max(1);
        let share = (step - warmup).min(whole) as f64 / whole as f64;
        peak * between(self.alpha, 1.0, 0.5 * (1.0 + (PI * share).cos()))
    }

    fn largest(&self) -> f64 {
        self.warmup_target.unwrap_or(0.0).max(self.initial_learning_rate)
    }

    fn hangs_on_length(&self) -> bool {
        self.decay_steps.is_none()
    }

    fn fault(&self) -> Option<super::Fault> {
        let (lacks, has) = match (self.warmup_target, self.warmup_steps) {
            (None, Some(_)) => ("warmup_target", "warmup_steps"),
            (Some(_), None) => ("warmup_steps", "warmup_target"),
            _ => return None,
        };
        Some(super::Fault {
            path: vec![has],
            message: format!("`{has}` without `{lacks}` is no warm-up"),
            help: format!("add `{lacks}`, or leave `{has}` out"),
        })
    }
}
