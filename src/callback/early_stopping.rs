//! Stops training when a figure gets no better, as Keras' `EarlyStopping`.

use super::{Callback, CallbackDefinition, Ended, Mode, Monitor, Verdict, monitor::{Better, figure}, recall};
use crate::exact::Exact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stops training when a figure has got no better for some epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "patience", "examples" = [{"monitor": "val_loss", "patience": 3, "restore_best_weights": true}]))]
pub struct EarlyStopping {
    /// The figure to look at, such as `val_loss` or `val_accuracy`.
    pub monitor: String,
    /// How many epochs without an improvement are borne.
    #[schemars(range(max = 1000000))]
    pub patience: usize,
    /// What counts as an improvement: more than this.
    #[schemars(extend("minimum" = 0))]
    pub min_delta: f64,
    /// Which direction is better.
    pub mode: Mode,
    /// A value that must be beaten before an improvement resets the patience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Whether the weights of the best epoch are put back when training ends.
    pub restore_best_weights: bool,
    /// The first epoch, from 0, that is looked at.
    #[schemars(range(max = 1000000))]
    pub start_from_epoch: usize,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        EarlyStopping {
            monitor: "val_loss".to_owned(),
            patience: 0,
            min_delta: 0.0,
            mode: Mode::Auto,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
        }
    }
}

impl CallbackDefinition for EarlyStopping {
    fn monitor(&self) -> Option<Monitor<'_>> {
        Some(Monitor { figure: &self.monitor, mode: self.mode })
    }

    fn can_act(&self, epochs: usize) -> bool {
        // The first epoch looked at is the best so far; stopping at the very last one is no stopping.
        let stops = self.start_from_epoch.saturating_add(self.patience.max(1)).saturating_add(1) < epochs;
        stops || (self.restore_best_weights && self.start_from_epoch < epochs)
    }

    fn restores_weights(&self) -> bool {
        self.restore_best_weights
    }

    fn start(&self, larger_is_better: bool) -> Option<Box<dyn Callback>> {
        let better = Better { larger: self.mode.larger_is_better(larger_is_better), min_delta: self.min_delta };
        Some(Box::new(Watch { arguments: self.clone(), better, seen: Seen::default() }))
    }
}

struct Watch {
    arguments: EarlyStopping,
    better: Better,
    seen: Seen,
}

/// What it remembers of the epochs so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seen {
    best: Option<Exact>,
    weights_kept: bool,
    waited: usize,
}

impl Callback for Watch {
    fn epoch_ended(&mut self, ended: &Ended<'_>) -> Verdict {
        let EarlyStopping { monitor, patience, start_from_epoch, .. } = &self.arguments;
        let value = figure(ended, monitor).filter(|_| ended.epoch >= *start_from_epoch);
        let Some(value) = value else { return Verdict::default() };
        let mut verdict = Verdict::default();
        if self.arguments.restore_best_weights && !self.seen.weights_kept {
            // Where nothing ever improves, the first weights looked at are the best.
            verdict.keep_weights = true;
            self.seen.weights_kept = true;
        }
        self.seen.waited += 1;
        if self.seen.best.is_none_or(|best| self.better.than(value, best.0)) {
            self.seen.best = Some(Exact(value));
            verdict.keep_weights = self.arguments.restore_best_weights;
            if self.arguments.baseline.is_none_or(|baseline| self.better.than(value, baseline)) {
                self.seen.waited = 0;
            }
        } else if self.seen.waited >= *patience && ended.epoch > 0 {
            let epochs = if *patience > 1 { format!("{patience} epochs") } else { "an epoch".to_owned() };
            verdict.stop = Some(format!("{monitor} got no better for {epochs}"));
        }
        verdict
    }

    fn memory(&self) -> serde_json::Value {
        serde_json::to_value(self.seen).expect("plain data")
    }

    fn recall(&mut self, memory: &serde_json::Value) -> bool {
        recall(&mut self.seen, memory)
    }
}
