//! A straight rise to what another schedule begins with (Goyal et al., 2017).

use super::{Fault, LearningRate, Length, ScheduleDefinition, Span, between};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets the rate rise to that with which another schedule, or a constant rate, goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["warmup"], "examples" = [
    {"warmup_steps": 50, "then": 0.001},
    {"warmup_steps": {"epochs": 1}, "then": {"exponential_decay": {"initial_learning_rate": 0.01, "decay_rate": 0.1}}}
]))]
pub struct LinearWarmup {
    /// How long it rises, in steps or as `{epochs: 1}`.
    #[schemars(extend("examples" = [100, {"epochs": 1}]))]
    pub warmup_steps: Span,
    /// The rate at the beginning.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub initial_learning_rate: f64,
    /// The rate behind it: a number, or a schedule over what is left of the training.
    pub then: Box<LearningRate>,
}

impl ScheduleDefinition for LinearWarmup {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let warmup = self.warmup_steps.steps(training);
        let rest = Length { steps: training.steps.saturating_sub(warmup), ..*training };
        if step >= warmup {
            return self.then.at(step - warmup, &rest);
        }
        between(self.initial_learning_rate, self.then.at(0, &rest), step as f64 / warmup as f64)
    }

    fn largest(&self) -> f64 {
        self.then.largest().max(self.initial_learning_rate)
    }

    fn hangs_on_length(&self) -> bool {
        self.then.hangs_on_length()
    }

    fn fault(&self) -> Option<Fault> {
        let LearningRate::Scheduled(then) = &*self.then else { return None };
        let mut fault = then.fault()?;
        fault.path.splice(0..0, ["then", then.name()]);
        Some(fault)
    }
}
