//! How often each class was taken for each other, with some of the mistakes.

use super::{
    EvaluationStep, Predictions, Shown, StepResult, Subject,
    gallery::{all_shown, surest_mistakes},
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::HashMap};

/// How often each true class (rows) was predicted as each class (columns), with the surest of the mistakes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"mistakes": 10}, {"normalize": "row"}]))]
pub struct ConfusionMatrix {
    /// How many examples of each mistake are shown, the surest ones; not more than 200 in all.
    #[schemars(range(max = 50))]
    pub mistakes: usize,
    /// What the cells show: `none`, how often, or `row`, which share of the examples of the true class. The other one is
    /// told of a cell that is pointed at.
    pub normalize: Normalize,
}

/// What the cells of a confusion matrix show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Counts.
    #[default]
    None,
    /// Shares of the row.
    Row,
}

impl Default for ConfusionMatrix {
    fn default() -> Self {
        ConfusionMatrix { mistakes: 4, normalize: Normalize::None }
    }
}

/// More examples would make a page that takes long to load.
const MOST_SHOWN: usize = 200;
/// Classes named with an example.
const TOP: usize = 3;

/// The computed counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Class names, of rows and of columns.
    pub classes: Vec<String>,
    /// `counts[true][predicted]`.
    pub counts: Vec<Vec<u64>>,
    /// Examples of the mistakes, those first that were made most often.
    #[serde(default)]
    pub mistakes: Vec<Mistakes>,
    /// What the cells show.
    #[serde(default)]
    pub normalize: Normalize,
}

/// Some examples of one class that were taken for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistakes {
    /// The true class.
    pub label: u32,
    /// What it was taken for.
    pub predicted: u32,
    /// The surest ones first.
    pub examples: Vec<Shown>,
}

impl ConfusionMatrix {
    /// Counts the pairs.
    pub fn counts(&self, predictions: &Predictions) -> Outcome {
        let classes = predictions.classes.len();
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &guess) in predictions.labels.iter().zip(&predictions.predicted) {
            counts[label as usize][guess as usize] += 1;
        }
        Outcome { classes: predictions.classes.clone(), counts, mistakes: Vec::new(), normalize: self.normalize }
    }

    fn mistakes(&self, subject: &dyn Subject, counts: &[Vec<u64>]) -> Result<Vec<Mistakes>> {
        let predictions = subject.predictions();
        let cells = counts.iter().zip(0u32..).flat_map(|(row, label)| {
            row.iter().zip(0u32..).map(move |(&count, predicted)| (count, label, predicted))
        });
        let mut cells: Vec<_> = cells.filter(|&(count, label, predicted)| label != predicted && count > 0).collect();
        cells.sort_by_key(|&(count, label, predicted)| (Reverse(count), label, predicted));
        let mut by_cell: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
        for index in surest_mistakes(predictions) {
            by_cell.entry((predictions.labels[index], predictions.predicted[index])).or_default().push(index);
        }
        let of_cell = |&(_, label, predicted): &_| by_cell.remove(&(label, predicted)).unwrap_or_default();
        let found: Vec<Vec<usize>> = cells.iter().map(of_cell).collect();
        // One of each cell before a second one of any.
        let mut shown = vec![0; cells.len()];
        let mut left = MOST_SHOWN;
        for round in 1..=self.mistakes {
            for (count, _) in shown.iter_mut().zip(&found).filter(|(_, examples)| examples.len() >= round) {
                if left > 0 {
                    *count = round;
                    left -= 1;
                }
            }
        }
        let mut all = Vec::new();
        for ((&(_, label, predicted), examples), count) in cells.iter().zip(&found).zip(shown) {
            if count > 0 {
                let examples = all_shown(subject, examples[..count].iter().copied(), TOP)?;
                all.push(Mistakes { label, predicted, examples });
            }
        }
        Ok(all)
    }
}

impl EvaluationStep for ConfusionMatrix {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let mut outcome = self.counts(subject.predictions());
        outcome.mistakes = self.mistakes(subject, &outcome.counts)?;
        Ok(outcome.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn mistakes_stand_by_number_and_the_surest_first() {
        let trial = Trial::new(&[
            (0, [0.1, 0.6, 0.3]),
            (0, [0.9, 0.1, 0.0]),
            (0, [0.1, 0.8, 0.1]),
            (2, [0.5, 0.3, 0.2]),
        ]);
        let step = ConfusionMatrix { mistakes: 1, normalize: Normalize::Row };
        let StepResult::ConfusionMatrix(outcome) = step.compute(&trial).unwrap() else { panic!() };
        assert_eq!(outcome.counts, [[1, 2, 0], [0, 0, 0], [1, 0, 0]]);
        assert_eq!(outcome.normalize, Normalize::Row);
        let told: Vec<_> =
            outcome.mistakes.iter().map(|cell| (cell.label, cell.predicted, cell.examples[0].index)).collect();
        assert_eq!(told, [(0, 1, 2), (2, 0, 3)]);
        assert!(outcome.mistakes.iter().all(|cell| cell.examples.len() == 1));
    }
}
