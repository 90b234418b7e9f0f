//! Where the model was sure and wrong.

use super::{
    EvaluationStep, Shown, StepResult, Subject,
    gallery::{all_shown, surest_mistakes},
    prediction_grid::BARS,
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The test examples that the model was surest of and wrong: hard cases, or wrong labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "count", "examples" = [{}, {"count": 30}]))]
pub struct WorstMistakes {
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    pub count: usize,
}

impl Default for WorstMistakes {
    fn default() -> Self {
        WorstMistakes { count: 15 }
    }
}

/// The examples found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many mistakes there are in all.
    pub mistakes: usize,
    /// The surest ones first.
    pub examples: Vec<Shown>,
}

impl EvaluationStep for WorstMistakes {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let predictions = subject.predictions();
        let found = surest_mistakes(predictions);
        let mistakes = (0..predictions.len()).filter(|&index| !predictions.is_right(index)).count();
        Ok(Outcome { mistakes, examples: all_shown(subject, found.into_iter().take(self.count), BARS)? }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn the_surest_mistake_comes_first_and_nothing_right_at_all() {
        let trial =
            Trial::new(&[(0, [0.1, 0.6, 0.3]), (0, [0.9, 0.1, 0.0]), (2, [0.8, 0.1, 0.1]), (1, [0.5, 0.3, 0.2])]);
        let StepResult::WorstMistakes(outcome) = (WorstMistakes { count: 2 }).compute(&trial).unwrap() else {
            panic!()
        };
        assert_eq!(outcome.mistakes, 3);
        assert_eq!(outcome.examples.iter().map(|example| example.index).collect::<Vec<_>>(), [2, 0]);
    }
}
