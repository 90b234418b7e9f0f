//! What is computed after training, from the predictions on the test split alone: no tensor, no model.

pub mod significance;

use crate::family;
use serde::{Deserialize, Serialize};

/// What a model said of every example of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Class names, in the order of their labels.
    pub classes: Vec<String>,
    /// The true label of each example.
    pub labels: Vec<u32>,
    /// The most probable class of each example; the first among equals.
    pub predicted: Vec<u32>,
    /// Probabilities, `[example, class]`, row after row.
    pub probabilities: Vec<f32>,
}

/// What the steps share.
pub trait EvaluationStep {
    /// Computes the step's result.
    fn compute(&self, predictions: &Predictions) -> StepResult;
}

family! {
    /// Something computed and shown after training.
    pub enum Evaluation("evaluation"): EvaluationStep {
        classification_report::ClassificationReport,
        confusion_matrix::ConfusionMatrix,
    }
}

/// The data of one step, as it stands in `evaluation.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// Precision, recall and F1 by class.
    ClassificationReport(classification_report::Table),
    /// Counts of true against predicted classes.
    ConfusionMatrix(confusion_matrix::Matrix),
}
