//! Lowers the learning rate when a figure gets no better, as Keras' `ReduceLROnPlateau`.

use super::{Callback, CallbackDefinition, Ended, Mode, Monitor, Verdict, monitor::{Better, figure}, recall};
use crate::exact::Exact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lowers the learning rate when a figure has got no better for some epochs. Of a schedule all later rates are lowered, which is
/// more than Keras allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "patience", "x-known-as" = ["ReduceLROnPlateau"], "examples" = [{"monitor": "val_loss", "factor": 0.5, "patience": 2}]))]
pub struct ReduceLrOnPlateau {
    /// The figure to look at, such as `val_loss` or `val_accuracy`.
    pub monitor: String,
    /// What the rate is multiplied by.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub factor: f64,
    /// How many epochs without an improvement are borne.
    #[schemars(range(max = 1000000))]
    pub patience: usize,
    /// Which direction is better.
    pub mode: Mode,
    /// What counts as an improvement: more than this.
    #[schemars(extend("minimum" = 0, "x-known-as" = ["threshold"]))]
    pub min_delta: f64,
    /// How many epochs it waits behind a lower rate before it counts again.
    #[schemars(range(max = 1000000))]
    pub cooldown: usize,
    /// The rate is never lowered below this.
    #[schemars(range(min = 0, max = 100))]
    pub min_lr: f64,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        ReduceLrOnPlateau {
            monitor: "val_loss".to_owned(),
            factor: 0.1,
            patience: 10,
            mode: Mode::Auto,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
        }
    }
}

impl CallbackDefinition for ReduceLrOnPlateau {
    fn monitor(&self) -> Option<Monitor<'_>> {
        Some(Monitor { figure: &self.monitor, mode: self.mode })
    }

    fn can_act(&self, epochs: usize) -> bool {
        // The first epoch is the best so far, and behind the last one there is no rate to lower.
        self.patience.max(1).saturating_add(1) < epochs
    }

    fn start(&self, larger_is_better: bool) -> Option<Box<dyn Callback>> {
        let better = Better { larger: self.mode.larger_is_better(larger_is_better), min_delta: self.min_delta };
        Some(Box::new(Watch { arguments: self.clone(), better, seen: Seen::default() }))
    }
}

struct Watch {
    arguments: ReduceLrOnPlateau,
    better: Better,
    seen: Seen,
}

/// What it remembers of the epochs so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seen {
    best: Option<Exact>,
    waited: usize,
    cooling: usize,
}

impl Callback for Watch {
    fn epoch_ended(&mut self, ended: &Ended<'_>) -> Verdict {
        let ReduceLrOnPlateau { monitor, factor, patience, cooldown, min_lr, .. } = &self.arguments;
        let Some(value) = figure(ended, monitor) else { return Verdict::default() };
        let seen = &mut self.seen;
        if seen.cooling > 0 {
            seen.cooling -= 1;
            seen.waited = 0;
        }
        if seen.best.is_none_or(|best| self.better.than(value, best.0)) {
            seen.best = Some(Exact(value));
            seen.waited = 0;
        } else if seen.cooling == 0 {
            seen.waited += 1;
            if seen.waited >= *patience && ended.learning_rate > *min_lr {
                (seen.waited, seen.cooling) = (0, *cooldown);
                let lower = (ended.learning_rate * factor).max(*min_lr);
                return Verdict { learning_rate_factor: Some(lower / ended.learning_rate), ..Verdict::default() };
            }
        }
        Verdict::default()
    }

    fn memory(&self) -> serde_json::Value {
        serde_json::to_value(self.seen).expect("plain data")
    }

    fn recall(&mut self, memory: &serde_json::Value) -> bool {
        recall(&mut self.seen, memory)
    }
}
