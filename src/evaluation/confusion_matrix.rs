//! How often each class was taken for each other.

use super::{EvaluationStep, Predictions, StepResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often each true class (rows) was predicted as each class (columns).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct ConfusionMatrix {}

/// The computed counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// Class names, of rows and of columns.
    pub classes: Vec<String>,
    /// `counts[true][predicted]`.
    pub counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// Counts the pairs.
    pub fn matrix(&self, predictions: &Predictions) -> Matrix {
        let classes = predictions.classes.len();
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &guess) in predictions.labels.iter().zip(&predictions.predicted) {
            counts[label as usize][guess as usize] += 1;
        }
        Matrix { classes: predictions.classes.clone(), counts }
    }
}

impl EvaluationStep for ConfusionMatrix {
    fn compute(&self, predictions: &Predictions) -> StepResult {
        StepResult::ConfusionMatrix(self.matrix(predictions))
    }
}
