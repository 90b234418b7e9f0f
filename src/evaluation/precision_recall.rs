//! What precision a class has at what recall, over all thresholds on its probability.
//!
//! The area is the average precision, Σ (Rₙ − Rₙ₋₁) Pₙ over thresholds from the highest down, as scikit-learn's
//! `average_precision_score` defines it: no interpolation, which would be too kind. A class that is drawn at random has its
//! share of the examples.

use super::{
    EvaluationStep, FigureName, Predictions, StepResult, Subject,
    one_vs_rest::{self, Areas, Sweep},
};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Precision against recall of each class against all others: average precision by class, macro, weighted and micro
/// average, and the curves of at most ten classes, the worst and the best.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["precision_recall_curve", "average_precision"], "examples" = [{}]))]
pub struct PrecisionRecall {}

/// The average precisions, and the curves; a point is `(recall, precision)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome(pub Areas);

impl PrecisionRecall {
    /// Computes the areas and curves.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        Outcome(one_vs_rest::areas(predictions, average_precision, curve))
    }
}

fn precision(&(right, wrong): &(u64, u64)) -> f64 {
    right as f64 / (right + wrong) as f64
}

fn average_precision(sweep: &Sweep) -> Option<f64> {
    let &(positives, _) = sweep.last()?;
    let before = std::iter::once(0).chain(sweep.iter().map(|now| now.0));
    let sum: f64 = before.zip(sweep).map(|(before, now)| (now.0 - before) as f64 * precision(now)).sum();
    (positives > 0).then(|| sum / positives as f64)
}

/// Up to where all positives are found; what comes after only loses precision.
fn curve(sweep: &Sweep) -> Vec<(f64, f64)> {
    let positives = sweep.last().map_or(1, |last| last.0);
    let first = sweep.first().map(|first| (0.0, precision(first)));
    let all_found = sweep.partition_point(|now| now.0 < positives);
    let shown = sweep.iter().take(all_found + 1);
    first.into_iter().chain(shown.map(|now| (now.0 as f64 / positives as f64, precision(now)))).collect()
}

impl EvaluationStep for PrecisionRecall {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.predictions()).into())
    }

    fn figures(&self, _: Task) -> Vec<FigureName> {
        vec![FigureName::share("macro_average_precision"), FigureName::of_classes("average_precision")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::statistics::tests::invented;

    #[test]
    fn precision_is_averaged_over_recall() {
        let predictions = Predictions {
            classes: vec!["no".into(), "yes".into()],
            labels: vec![1, 0, 1, 0],
            predicted: vec![1, 1, 1, 0],
            probabilities: vec![0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.8, 0.2],
        };
        let outcome = PrecisionRecall {}.outcome(&predictions).0;
        // Half of them with precision 1, the other half with 2/3.
        assert!((outcome.classes[1].area.unwrap() - (0.5 + 1.0 / 3.0)).abs() < 1e-12);
        let yes = outcome.curves.iter().find(|curve| curve.class == Some(1)).unwrap();
        assert_eq!(yes.points, [(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0)]);
    }

    #[test]
    fn a_class_without_examples_has_no_area() {
        let mut predictions = invented(3, 60);
        predictions.labels.iter_mut().for_each(|label| *label = (*label).min(1));
        let outcome = PrecisionRecall {}.outcome(&predictions).0;
        assert_eq!(outcome.classes[2].area, None);
        assert!(outcome.macro_average.unwrap() > 0.5);
        predictions.probabilities.clear();
        assert_eq!(PrecisionRecall {}.outcome(&predictions).0.micro_average, None);
    }
}
