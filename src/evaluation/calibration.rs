//! Whether probabilities can be taken at their word: of what is said with 80% confidence, 80% should be right.
//!
//! Examples are sorted into bins of equal width by confidence, the probability of the predicted class; bin m of M holds
//! confidences in ((m − 1)/M, m/M]. The expected calibration error is the mean of |accuracy − confidence| over bins, weighted by
//! examples, the maximum calibration error the largest of them (Guo et al., "On calibration of modern neural networks",
//! 2017). The Brier score is the mean over examples of Σ (probability − truth)² over classes; as in scikit-learn it is halved
//! where there are two classes.

use super::{
    EvaluationStep, FigureName, Predictions, StepResult, Subject,
    figures::named,
    statistics::{confidences, log_losses, probabilities, wilson},
};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reliability diagram, the expected and the maximum calibration error, the Brier score and the log loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "bins", "x-known-as" = ["calibration_curve", "reliability_diagram"], "examples" = [{}, {"bins": 10}]))]
pub struct Calibration {
    /// Into how many bins of equal width confidences are sorted.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 2, max = 100), extend("x-known-as" = ["n_bins"]))]
    pub bins: u32,
}

fn fifteen() -> u32 {
    15
}

impl Default for Calibration {
    fn default() -> Self {
        Calibration { bins: fifteen() }
    }
}

/// The computed bins and scores. Scores are `None` without examples, and where a probability is no number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// By ascending confidence; empty ones too.
    pub bins: Vec<Bin>,
    /// The expected calibration error.
    pub expected_error: Option<f64>,
    /// The maximum calibration error.
    pub maximum_error: Option<f64>,
    /// The Brier score: 0 to 1 for two classes, else 0 to 2.
    pub brier_score: Option<f64>,
    /// The mean log loss.
    pub log_loss: Option<f64>,
    /// The mean confidence.
    pub confidence: Option<f64>,
    /// The share of examples predicted right.
    pub accuracy: Option<f64>,
}

/// One bin of the reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The confidence that its examples are above.
    pub above: f64,
    /// The largest confidence in it.
    pub up_to: f64,
    /// How many examples are in it.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: Option<f64>,
    /// The share of them predicted right.
    pub accuracy: Option<f64>,
    /// Wilson's 95% interval of that share.
    pub interval: Option<(f64, f64)>,
}

impl Calibration {
    /// Sorts the examples and computes the scores.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        let bins = self.bins as usize;
        let confidences = confidences(predictions).unwrap_or_default();
        let (mut counts, mut rights, mut sums) = (vec![0usize; bins], vec![0usize; bins], vec![0.0; bins]);
        for (example, &confidence) in confidences.iter().enumerate() {
            let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            counts[bin] += 1;
            rights[bin] += usize::from(predictions.labels[example] == predictions.predicted[example]);
            sums[bin] += confidence;
        }
        let shown = |bin: usize| {
            let mean = |sum: f64| (counts[bin] > 0).then(|| sum / counts[bin] as f64);
            let accuracy = mean(rights[bin] as f64);
            Bin {
                above: bin as f64 / bins as f64,
                up_to: (bin + 1) as f64 / bins as f64,
                count: counts[bin] as u64,
                confidence: mean(sums[bin]),
                accuracy,
                interval: accuracy.map(|accuracy| wilson(accuracy, counts[bin])),
            }
        };
        let examples = confidences.len();
        let mean = |sum: f64| (examples > 0).then(|| sum / examples as f64);
        let gaps: Vec<f64> = (0..bins).map(|bin| (rights[bin] as f64 - sums[bin]).abs()).collect();
        let worst = (0..bins).filter(|&bin| counts[bin] > 0).map(|bin| gaps[bin] / counts[bin] as f64);
        Outcome {
            bins: (0..bins).map(shown).collect(),
            expected_error: mean(gaps.iter().sum()),
            maximum_error: worst.max_by(f64::total_cmp),
            brier_score: brier(predictions),
            log_loss: log_losses(predictions).and_then(|losses| mean(losses.iter().sum())),
            confidence: mean(sums.iter().sum()),
            accuracy: mean(rights.iter().sum::<usize>() as f64),
        }
    }
}

fn brier(predictions: &Predictions) -> Option<f64> {
    let classes = predictions.classes.len();
    let rows = probabilities(predictions)?.chunks_exact(classes).zip(&predictions.labels);
    let squares = rows.map(|(row, &label)| {
        let square = |(class, &p): (usize, &f32)| (f64::from(p) - f64::from(u8::from(class == label as usize))).powi(2);
        row.iter().enumerate().map(square).sum::<f64>()
    });
    let scale = if classes == 2 { 0.5 } else { 1.0 };
    Some(scale * squares.sum::<f64>() / predictions.labels.len() as f64)
}

impl Outcome {
    pub(super) fn named_figures(&self) -> Vec<(String, f64)> {
        named([
            ("expected_calibration_error", self.expected_error),
            ("maximum_calibration_error", self.maximum_error),
            ("brier_score", self.brier_score),
        ])
    }
}

impl EvaluationStep for Calibration {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.predictions()).into())
    }

    fn figures(&self, _: Task) -> Vec<FigureName> {
        vec![
            FigureName::share("expected_calibration_error"),
            FigureName::share("maximum_calibration_error"),
            FigureName::within("brier_score", (0.0, 2.0)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::statistics::tests::invented;

    fn close(ours: Option<f64>, want: f64) -> bool {
        ours.is_some_and(|ours| (ours - want).abs() < 1e-6)
    }

    #[test]
    fn bins_end_where_they_say() {
        // Confidences 0.6 (right), 0.5 (right), 0.9 (wrong): with ten bins, bins 6, 5 and 9.
        let predictions = Predictions {
            classes: vec!["a".into(), "b".into()],
            labels: vec![0, 0, 0],
            predicted: vec![0, 0, 1],
            probabilities: vec![0.6, 0.4, 0.5, 0.5, 0.1, 0.9],
        };
        let outcome = Calibration { bins: 10 }.outcome(&predictions);
        let counts: Vec<u64> = outcome.bins.iter().map(|bin| bin.count).collect();
        // 0.6 and 0.9 as 32-bit numbers lie 24 billionths above resp. below.
        assert_eq!(counts, [0, 0, 0, 0, 1, 0, 1, 0, 1, 0]);
        assert!(close(outcome.expected_error, (0.4 + 0.5 + 0.9) / 3.0), "{outcome:?}");
        assert!(close(outcome.maximum_error, 0.9));
        // Two classes, halved: (0.4² + 0.5² + 0.9²) / 3.
        assert!(close(outcome.brier_score, (0.16 + 0.25 + 0.81) / 3.0));
        assert!(close(outcome.confidence, 2.0 / 3.0) && close(outcome.accuracy, 2.0 / 3.0));
        assert_eq!(outcome.bins[4].interval, Some(wilson(1.0, 1)));
    }

    #[test]
    fn who_says_what_is_so_is_calibrated() {
        let outcome = Calibration::default().outcome(&Predictions {
            classes: vec!["a".into(), "b".into(), "c".into(), "d".into()],
            labels: (0..400).map(|example| example % 4).collect(),
            predicted: vec![0; 400],
            probabilities: vec![0.25; 1600],
        });
        assert_eq!((outcome.expected_error, outcome.maximum_error), (Some(0.0), Some(0.0)));
        assert!(close(outcome.log_loss, 4f64.ln()) && close(outcome.brier_score, 0.75));
    }

    #[test]
    fn without_numbers_there_are_no_scores() {
        let mut predictions = invented(3, 20);
        predictions.probabilities[5] = f32::NAN;
        for outcome in [Calibration::default().outcome(&predictions), Calibration::default().outcome(&invented(3, 0))] {
            assert_eq!(outcome.bins.len(), 15);
            assert!(outcome.bins.iter().all(|bin| bin.count == 0 && bin.accuracy.is_none()));
            assert_eq!((outcome.expected_error, outcome.maximum_error, outcome.brier_score), (None, None, None));
        }
    }
}
