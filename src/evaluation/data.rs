//! What the figures are to be compared with: how the classes are distributed.

use super::{EvaluationStep, StepResult, Subject};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many examples each split has, how even the classes are, and how often always saying the most frequent class of the
/// training data would be right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Data {}

/// The distribution of the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The splits.
    pub splits: Vec<OfSplit>,
    /// The most frequent class of the training data; the first among equals.
    pub most_frequent: Option<u32>,
    /// The share of the test examples that are of that class.
    pub baseline: Option<f64>,
}

/// The classes of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfSplit {
    /// `train`, `validation` or `test`.
    pub name: String,
    /// How many examples.
    pub examples: usize,
    /// The most frequent class has so many times the examples of the rarest one; nothing where a class has none.
    pub imbalance: Option<f64>,
}

impl EvaluationStep for Data {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let of_split = |split: &super::Split| {
            let (most, least) = (split.per_class.iter().max(), split.per_class.iter().min());
            let imbalance = most.zip(least).filter(|(_, least)| **least > 0);
            OfSplit {
                name: split.name.clone(),
                examples: split.per_class.iter().sum(),
                imbalance: imbalance.map(|(most, least)| *most as f64 / *least as f64),
            }
        };
        let train = subject.splits().iter().find(|split| split.name == "train");
        let most_frequent = train.and_then(|split| {
            let most = split.per_class.iter().max().filter(|most| **most > 0)?;
            split.per_class.iter().position(|count| count == most)
        });
        let labels = &subject.predictions().labels;
        let of_it = |class: usize| labels.iter().filter(|label| **label as usize == class).count();
        Ok(Outcome {
            splits: subject.splits().iter().map(of_split).collect(),
            most_frequent: most_frequent.map(|class| class as u32),
            baseline: most_frequent.filter(|_| !labels.is_empty()).map(|c| of_it(c) as f64 / labels.len() as f64),
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn the_baseline_is_the_share_of_trainings_most_frequent_class() {
        let p = [1.0, 0.0, 0.0];
        let trial = Trial::new(&[(0, p), (1, p), (1, p), (2, p)]);
        let StepResult::Data(outcome) = (Data {}).compute(&trial).unwrap() else { panic!() };
        assert_eq!((outcome.most_frequent, outcome.baseline), (Some(0), Some(0.25)));
        assert_eq!((outcome.splits[0].examples, outcome.splits[0].imbalance), (12, Some(2.0)));
    }
}
