//! Where the model wavers.

use super::{
    EvaluationStep, Shown, StepResult, Subject,
    gallery::{all_shown, largest},
    prediction_grid::BARS,
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The test examples that the model is least sure of: what to label more of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "count", "examples" = [{}, {"count": 30, "by": "margin"}]))]
pub struct MostUncertain {
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    pub count: usize,
    /// What is taken for uncertainty.
    pub by: Uncertainty,
}

impl Default for MostUncertain {
    fn default() -> Self {
        MostUncertain { count: 15, by: Uncertainty::Entropy }
    }
}

/// A measure of uncertainty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Uncertainty {
    /// The entropy of the probabilities.
    #[default]
    Entropy,
    /// A small distance between the two most probable classes.
    Margin,
    /// A small probability of the most probable class.
    LeastConfident,
}

/// The examples found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was taken for uncertainty.
    pub by: Uncertainty,
    /// The most uncertain ones first.
    pub examples: Vec<Shown>,
}

impl Uncertainty {
    /// The larger, the more uncertain; of probabilities, `[class]`.
    fn of(self, probabilities: &[f32]) -> f64 {
        let mut sorted: Vec<f64> = probabilities.iter().map(|&p| f64::from(p)).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let at = |place: usize| sorted.get(place).copied().unwrap_or(0.0);
        match self {
            Uncertainty::Entropy => sorted.iter().filter(|p| **p != 0.0).map(|p| -p * p.ln()).sum(),
            Uncertainty::Margin => at(1) - at(0),
            Uncertainty::LeastConfident => -at(0),
        }
    }
}

impl EvaluationStep for MostUncertain {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let predictions = subject.predictions();
        let found = largest(predictions, |index| Some(self.by.of(predictions.of(index))));
        Ok(Outcome { by: self.by, examples: all_shown(subject, found.into_iter().take(self.count), BARS)? }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measure_has_its_own_most_uncertain() {
        let flat = [0.34, 0.33, 0.33];
        let two = [0.5, 0.5, 0.0];
        assert!(Uncertainty::Entropy.of(&flat) > Uncertainty::Entropy.of(&two));
        assert!((Uncertainty::Entropy.of(&two) - std::f64::consts::LN_2).abs() < 1e-7);
        assert!(Uncertainty::Margin.of(&two) > Uncertainty::Margin.of(&flat));
        assert!(Uncertainty::LeastConfident.of(&flat) > Uncertainty::LeastConfident.of(&two));
    }
}
