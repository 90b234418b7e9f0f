//! Some test examples with what the model says of them.

use super::{
    EvaluationStep, Shown, StepResult, Subject,
    gallery::{all_shown, by_chance},
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Some test examples: the image, the predicted and the true label, and the probabilities as bars; blue where the prediction
/// is right, red where it is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{"rows": 5, "columns": 3}]))]
pub struct PredictionGrid {
    /// Rows of the grid.
    #[schemars(range(min = 1, max = 20))]
    pub rows: usize,
    /// Examples in a row.
    #[schemars(range(min = 1, max = 6))]
    pub columns: usize,
}

impl Default for PredictionGrid {
    fn default() -> Self {
        PredictionGrid { rows: 5, columns: 3 }
    }
}

/// The chosen examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Examples in a row.
    pub columns: usize,
    /// In the order of the split.
    pub examples: Vec<Shown>,
}

/// Bars of an example.
pub(super) const BARS: usize = 5;

impl EvaluationStep for PredictionGrid {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let chosen = by_chance(subject.examples(), self.rows * self.columns, "prediction grid");
        Ok(Outcome { columns: self.columns, examples: all_shown(subject, chosen, BARS)? }.into())
    }
}
