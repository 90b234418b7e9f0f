//! Some test examples with their labels.

use super::{
    EvaluationStep, Shown, StepResult, Subject,
    gallery::{all_shown, by_chance},
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Some test images with their true labels: what the figures are measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"rows": 3, "columns": 8}]))]
pub struct SampleGrid {
    /// Rows of the grid.
    #[schemars(range(min = 1, max = 20))]
    pub rows: usize,
    /// Images in a row.
    #[schemars(range(min = 1, max = 12))]
    pub columns: usize,
}

impl Default for SampleGrid {
    fn default() -> Self {
        SampleGrid { rows: 5, columns: 5 }
    }
}

/// The chosen examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Images in a row.
    pub columns: usize,
    /// In the order of the split.
    pub examples: Vec<Shown>,
}

impl EvaluationStep for SampleGrid {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let chosen = by_chance(subject.examples(), self.rows * self.columns, "sample grid");
        Ok(Outcome { columns: self.columns, examples: all_shown(subject, chosen, 1)? }.into())
    }

    fn needs_images(&self) -> bool {
        true
    }
}
