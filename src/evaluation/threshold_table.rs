//! What comes of accepting only predictions of which the model is sure enough, and leaving the others to somebody else.
//!
//! The confidence of a prediction is the probability of its class; those at least as high as the threshold are accepted.
//! Where there are two classes, the threshold is tried as well on the probability of the second one: what is at least as
//! probable is taken to be of it.

use super::{
    EvaluationStep, Predictions, StepResult, Subject,
    statistics::{confidences, probabilities, ratio, wilson},
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coverage, accuracy and errors where only predictions above a confidence are accepted; for two classes precision, recall
/// and F1 of the second one as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "thresholds", "examples" = [{}, {"thresholds": [0.5, 0.9, 0.99]}]))]
pub struct ThresholdTable {
    /// The thresholds to try, each from 0 to 1.
    #[serde(default = "usual")]
    #[schemars(length(min = 1, max = 100), inner(range(min = 0, max = 1)), extend("examples" = [[0.5, 0.9, 0.99]]))]
    pub thresholds: Vec<f64>,
}

fn usual() -> Vec<f64> {
    vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
}

impl Default for ThresholdTable {
    fn default() -> Self {
        ThresholdTable { thresholds: usual() }
    }
}

/// The computed rows. Empty where there are no probabilities, or where one of them is no number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many examples it was computed from.
    pub examples: u64,
    /// By ascending threshold on the confidence.
    pub accepted: Vec<Accepted>,
    /// For two classes, the second one.
    pub positive: Option<String>,
    /// For two classes, by ascending threshold on the probability of the second one.
    pub decided: Vec<Decided>,
}

/// What comes of accepting predictions at least so confident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The least confidence.
    pub threshold: f64,
    /// How many predictions are accepted.
    pub count: u64,
    /// As a share of all.
    pub coverage: f64,
    /// The share of them that is right; `None` where none is accepted.
    pub accuracy: Option<f64>,
    /// Wilson's 95% interval of that share.
    pub interval: Option<(f64, f64)>,
    /// How many of them are wrong.
    pub errors: u64,
}

/// What comes of taking examples to be of the second class where it is at least so probable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The least probability.
    pub threshold: f64,
    /// How many examples are taken to be of it.
    pub count: u64,
    /// How many of them are; `None` where there are none.
    pub precision: Option<f64>,
    /// How many of its examples were found; `None` where it has none.
    pub recall: Option<f64>,
    /// The harmonic mean of the two.
    pub f1: Option<f64>,
}

impl ThresholdTable {
    /// Tries the thresholds.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        let mut thresholds = self.thresholds.clone();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        let rows = confidences(predictions)
            .map(|confidences| thresholds.iter().map(|&least| accepted(predictions, &confidences, least)).collect());
        let binary = probabilities(predictions).filter(|_| predictions.classes.len() == 2);
        let decided = binary.map(|all| {
            let scores: Vec<f64> = all.iter().skip(1).step_by(2).map(|&p| f64::from(p)).collect();
            thresholds.iter().map(|&least| decided(&predictions.labels, &scores, least)).collect()
        });
        Outcome {
            examples: predictions.labels.len() as u64,
            accepted: rows.unwrap_or_default(),
            positive: binary.map(|_| predictions.classes[1].clone()),
            decided: decided.unwrap_or_default(),
        }
    }
}

/// Whether a 32-bit probability reaches a threshold that was written in decimals, which it may lie a hair below.
fn reaches(probability: f64, least: f64) -> bool {
    probability as f32 >= least as f32
}

fn accepted(predictions: &Predictions, confidences: &[f64], threshold: f64) -> Accepted {
    let sure = (0..confidences.len()).filter(|&example| reaches(confidences[example], threshold));
    let (count, right) = sure.fold((0, 0), |(count, right), example| {
        (count + 1, right + u64::from(predictions.labels[example] == predictions.predicted[example]))
    });
    let accuracy = ratio(right, count);
    Accepted {
        threshold,
        count,
        coverage: count as f64 / confidences.len() as f64,
        accuracy,
        interval: accuracy.map(|accuracy| wilson(accuracy, count as usize)),
        errors: count - right,
    }
}

fn decided(labels: &[u32], scores: &[f64], threshold: f64) -> Decided {
    let support = labels.iter().filter(|&&label| label == 1).count() as u64;
    let taken = scores.iter().zip(labels).filter(|&(&score, _)| reaches(score, threshold));
    let (count, right) =
        taken.fold((0, 0), |(count, right), (_, &label)| (count + 1, right + u64::from(label == 1)));
    Decided {
        threshold,
        count,
        precision: ratio(right, count),
        recall: ratio(right, support),
        f1: ratio(2 * right, count + support),
    }
}

impl EvaluationStep for ThresholdTable {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.predictions()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::statistics::tests::invented;

    fn four() -> Predictions {
        Predictions {
            classes: vec!["no".into(), "yes".into()],
            labels: vec![1, 0, 1, 0],
            predicted: vec![1, 1, 0, 0],
            probabilities: vec![0.1, 0.9, 0.4, 0.6, 0.7, 0.3, 0.8, 0.2],
        }
    }

    #[test]
    fn the_surer_the_fewer() {
        let outcome = ThresholdTable { thresholds: vec![0.9, 0.0, 0.7, 1.0] }.outcome(&four());
        let rows: Vec<_> = outcome.accepted.iter().map(|row| (row.threshold, row.count, row.errors)).collect();
        // 0.9 reaches 0.9, though as a 32-bit number it is a little less.
        assert_eq!(rows, [(0.0, 4, 2), (0.7, 3, 1), (0.9, 1, 0), (1.0, 0, 0)]);
        assert_eq!((outcome.accepted[1].coverage, outcome.accepted[0].accuracy), (0.75, Some(0.5)));
        assert_eq!((outcome.accepted[3].accuracy, outcome.accepted[3].interval), (None, None));
    }

    #[test]
    fn two_classes_are_decided_by_the_second() {
        let outcome = ThresholdTable { thresholds: vec![0.0, 0.3, 0.9, 1.0] }.outcome(&four());
        assert_eq!(outcome.positive.as_deref(), Some("yes"));
        let rows: Vec<_> = outcome.decided.iter().map(|row| (row.count, row.precision, row.recall)).collect();
        assert_eq!(
            rows,
            [(4, Some(0.5), Some(1.0)), (3, Some(2.0 / 3.0), Some(1.0)), (1, Some(1.0), Some(0.5)), (0, None, Some(0.0))]
        );
        assert_eq!(outcome.decided[3].f1, Some(0.0));
        assert!(ThresholdTable::default().outcome(&invented(3, 9)).decided.is_empty());
    }

    #[test]
    fn without_numbers_there_are_no_rows() {
        let mut predictions = four();
        predictions.probabilities[3] = f32::NAN;
        let outcome = ThresholdTable::default().outcome(&predictions);
        assert!(outcome.accepted.is_empty() && outcome.decided.is_empty());
    }
}
