//! How often the true class is among the k most probable ones.
//!
//! Among equal probabilities the class that comes first counts as the more probable, as it does for the prediction; so
//! k = 1 is the accuracy.

use super::{
    EvaluationStep, FigureName, Known, Misfit, Predictions, StepResult, Subject,
    statistics::{probabilities, wilson},
};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The share of examples whose true class is among the k most probable, for several k, with Wilson's 95% interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "k", "examples" = [{}, {"k": [1, 3, 10]}]))]
pub struct TopK {
    /// How many of the most probable classes to look at. Those above the number of classes are left out.
    #[serde(default = "few")]
    #[schemars(length(min = 1, max = 20), inner(range(min = 1, max = 100000)), extend("examples" = [[1, 5]]))]
    pub k: Vec<u32>,
}

fn few() -> Vec<u32> {
    vec![1, 2, 3, 5]
}

impl Default for TopK {
    fn default() -> Self {
        TopK { k: few() }
    }
}

/// The computed shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many examples it was computed from.
    pub examples: u64,
    /// How many classes there are.
    pub classes: u64,
    /// By ascending k. Empty where there are no probabilities, or where one of them is no number.
    pub rows: Vec<Row>,
}

/// The share for one k.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// How many of the most probable classes were looked at.
    pub k: u32,
    /// For how many examples the true class was among them.
    pub right: u64,
    /// As a share of all examples.
    pub share: f64,
    /// Wilson's 95% interval.
    pub interval: (f64, f64),
}

/// How many classes come before the true one, for each example; `None` where there are no probabilities, or one is no number.
fn ranks(predictions: &Predictions) -> Option<Vec<usize>> {
    probabilities(predictions)?;
    Some((0..predictions.len()).map(|example| predictions.rank(example)).collect())
}

/// For how many examples the true class is among the `k` most probable.
pub(super) fn right_within(predictions: &Predictions, k: usize) -> Option<u64> {
    Some(ranks(predictions)?.into_iter().filter(|&rank| rank < k).count() as u64)
}

impl TopK {
    /// Computes the shares.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        let (examples, classes) = (predictions.labels.len(), predictions.classes.len());
        let mut wanted: Vec<u32> = self.k.iter().copied().filter(|&k| k as usize <= classes).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let row = |ranks: &[usize], k: u32| {
            let right = ranks.iter().filter(|&&rank| rank < k as usize).count();
            let share = right as f64 / examples as f64;
            Row { k, right: right as u64, share, interval: wilson(share, examples) }
        };
        let rows = ranks(predictions).map(|ranks| wanted.iter().map(|&k| row(&ranks, k)).collect());
        Outcome { examples: examples as u64, classes: classes as u64, rows: rows.unwrap_or_default() }
    }
}

impl Outcome {
    pub(super) fn named_figures(&self) -> Vec<(String, f64)> {
        self.rows.iter().map(|row| (format!("test_top_{}_accuracy", row.k), row.share)).collect()
    }

    pub(super) fn named_intervals(&self) -> Vec<(String, (f64, f64))> {
        self.rows.iter().map(|row| (format!("test_top_{}_accuracy", row.k), row.interval)).collect()
    }
}

impl EvaluationStep for TopK {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.predictions()).into())
    }

    fn misfits(&self, known: &Known<'_>) -> Vec<Misfit> {
        let Some(classes) = known.classes.filter(|_| self.k != few()) else { return Vec::new() };
        let beyond = self.k.iter().enumerate().filter(|&(_, &k)| k as usize > classes);
        let misfit = |(index, k): (usize, &u32)| Misfit {
            key: "k",
            index: Some(index),
            message: format!("there are only {classes} classes, and `k` is {k}"),
            help: format!("numbers below {classes} tell something"),
        };
        beyond.map(misfit).collect()
    }

    fn figures(&self, _: Task) -> Vec<FigureName> {
        self.k.iter().map(|k| FigureName::share(&format!("top_{k}_accuracy"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::statistics::tests::invented;

    fn two_rows() -> Predictions {
        Predictions {
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            labels: vec![2, 1],
            predicted: vec![0, 0],
            probabilities: vec![0.5, 0.2, 0.3, 0.4, 0.4, 0.2],
        }
    }

    #[test]
    fn the_first_among_equals_is_the_more_probable() {
        let outcome = TopK::default().outcome(&two_rows());
        assert_eq!(outcome.rows.iter().map(|row| (row.k, row.right)).collect::<Vec<_>>(), [(1, 0), (2, 2), (3, 2)]);
        assert_eq!(outcome.rows[1].interval, wilson(1.0, 2));
    }

    #[test]
    fn the_first_is_the_accuracy() {
        let predictions = invented(4, 200);
        let right = predictions.labels.iter().zip(&predictions.predicted).filter(|(a, b)| a == b).count();
        assert_eq!(TopK { k: vec![3, 1, 3, 9] }.outcome(&predictions).rows[0].right, right as u64);
        assert_eq!(TopK { k: vec![3, 1, 3, 9] }.outcome(&predictions).rows.len(), 2);
        assert_eq!(right_within(&predictions, 4), Some(200));
    }

    #[test]
    fn without_numbers_there_are_no_rows() {
        let mut predictions = two_rows();
        predictions.probabilities[0] = f32::NAN;
        assert!(TopK::default().outcome(&predictions).rows.is_empty());
        assert!(TopK::default().outcome(&invented(3, 0)).rows.is_empty());
    }
}
