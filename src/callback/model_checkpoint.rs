//! Weights of epochs as files of their own, as Keras' `ModelCheckpoint`.

use super::{Callback, CallbackDefinition, Ended, Mode, Monitor, Verdict, monitor::{Better, figure}, recall};
use crate::exact::Exact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Writes the weights to the run's directory as epochs end: `epoch-0003.safetensors`; with `save_best_only` those of the best
/// epoch so far, `best-val_loss.safetensors`. What resuming needs is kept without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "monitor", "x-known-as" = ["ModelCheckpoint", "best_checkpoint"], "examples" = [{}, {"monitor": "val_accuracy", "save_best_only": true}]))]
pub struct ModelCheckpoint {
    /// The figure that says which epoch is the best one, where only that is wanted.
    pub monitor: String,
    /// Whether only the best weights so far are kept, each over the ones before.
    #[schemars(extend("x-known-as" = ["save_top_k"]))]
    pub save_best_only: bool,
    /// Which direction is better.
    pub mode: Mode,
    /// A value that must be beaten before any weights are the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_value_threshold: Option<f64>,
}

impl Default for ModelCheckpoint {
    fn default() -> Self {
        ModelCheckpoint {
            monitor: "val_loss".to_owned(),
            save_best_only: false,
            mode: Mode::Auto,
            initial_value_threshold: None,
        }
    }
}

impl CallbackDefinition for ModelCheckpoint {
    fn monitor(&self) -> Option<Monitor<'_>> {
        self.save_best_only.then_some(Monitor { figure: &self.monitor, mode: self.mode })
    }

    fn start(&self, larger_is_better: bool) -> Option<Box<dyn Callback>> {
        let better = Better { larger: self.mode.larger_is_better(larger_is_better), min_delta: 0.0 };
        let best = self.initial_value_threshold.map(Exact);
        Some(Box::new(Keeper { arguments: self.clone(), better, best }))
    }
}

struct Keeper {
    arguments: ModelCheckpoint,
    better: Better,
    best: Option<Exact>,
}

impl Callback for Keeper {
    fn epoch_ended(&mut self, ended: &Ended<'_>) -> Verdict {
        let ModelCheckpoint { monitor, save_best_only, .. } = &self.arguments;
        let name = if *save_best_only {
            let value = figure(ended, monitor).filter(|value| !value.is_nan());
            let Some(value) = value.filter(|value| self.best.is_none_or(|best| self.better.than(*value, best.0))) else {
                return Verdict::default();
            };
            self.best = Some(Exact(value));
            format!("best-{monitor}.safetensors")
        } else {
            format!("epoch-{:04}.safetensors", ended.epoch + 1)
        };
        Verdict { write_weights: Some(name), ..Verdict::default() }
    }

    fn memory(&self) -> serde_json::Value {
        serde_json::to_value(self.best).expect("plain data")
    }

    fn recall(&mut self, memory: &serde_json::Value) -> bool {
        recall(&mut self.best, memory)
    }
}
