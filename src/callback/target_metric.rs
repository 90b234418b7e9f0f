//! Stops training when a figure is good enough.

use super::{Callback, CallbackDefinition, Ended, Mode, Monitor, Verdict, monitor::figure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stops training when a figure has come to what is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "target", "x-known-as" = ["stopping_threshold"], "examples" = [{"target": 0.94}, {"monitor": "val_loss", "target": 0.3}]))]
pub struct TargetMetric {
    /// What is wanted of the figure; that much is enough.
    #[schemars(extend("examples" = [0.94]))]
    pub target: f64,
    /// The figure to look at, such as `val_loss` or `val_accuracy`.
    #[serde(default = "val_accuracy")]
    pub monitor: String,
    /// Which direction is better.
    #[serde(default)]
    pub mode: Mode,
}

fn val_accuracy() -> String {
    "val_accuracy".to_owned()
}

impl CallbackDefinition for TargetMetric {
    fn monitor(&self) -> Option<Monitor<'_>> {
        Some(Monitor { figure: &self.monitor, mode: self.mode })
    }

    fn can_act(&self, epochs: usize) -> bool {
        epochs > 1
    }

    fn start(&self, larger_is_better: bool) -> Option<Box<dyn Callback>> {
        let larger = self.mode.larger_is_better(larger_is_better);
        Some(Box::new(Aim { arguments: self.clone(), larger }))
    }
}

struct Aim {
    arguments: TargetMetric,
    larger: bool,
}

impl Callback for Aim {
    fn epoch_ended(&mut self, ended: &Ended<'_>) -> Verdict {
        let TargetMetric { target, monitor, .. } = &self.arguments;
        let is_enough = |value: &f64| if self.larger { value >= target } else { value <= target };
        let value = figure(ended, monitor).filter(is_enough);
        Verdict { stop: value.map(|_| format!("{monitor} came to {target}")), ..Verdict::default() }
    }

    fn memory(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn recall(&mut self, memory: &serde_json::Value) -> bool {
        memory.is_null()
    }
}
