//! How well the probability of a class separates its examples from all others: the curve of true against false positive
//! rate over all thresholds, and the area under it (0.5: not at all, 1: fully), as scikit-learn's `roc_auc_score` defines
//! it.

use super::{
    EvaluationStep, FigureName, Predictions, StepResult, Subject,
    one_vs_rest::{self, Areas, Sweep},
};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Receiver operating characteristic of each class against all others: area under the curve by class, macro, weighted and
/// micro average, and the curves of at most ten classes, the worst and the best.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["roc_curve", "roc_auc"], "examples" = [{}]))]
pub struct Roc {}

/// The areas under the curves, and the curves; a point is `(false positive rate, true positive rate)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome(pub Areas);

impl Roc {
    /// Computes the areas and curves.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        Outcome(one_vs_rest::areas(predictions, area, curve))
    }
}

fn area(sweep: &Sweep) -> Option<f64> {
    let &(positives, negatives) = sweep.last()?;
    let corners = std::iter::once((0, 0)).chain(sweep.iter().copied());
    let below: f64 = corners
        .zip(sweep)
        .map(|(before, now)| (now.1 - before.1) as f64 * (before.0 as f64 + now.0 as f64) / 2.0)
        .sum();
    (positives > 0 && negatives > 0).then(|| below / (positives as f64 * negatives as f64))
}

fn curve(sweep: &Sweep) -> Vec<(f64, f64)> {
    let &(positives, negatives) = sweep.last().unwrap_or(&(1, 1));
    let rates = |&(right, wrong): &(u64, u64)| (wrong as f64 / negatives as f64, right as f64 / positives as f64);
    std::iter::once((0.0, 0.0)).chain(sweep.iter().map(rates)).collect()
}

impl EvaluationStep for Roc {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.predictions()).into())
    }

    fn figures(&self, _: Task) -> Vec<FigureName> {
        vec![FigureName::share("macro_roc_auc"), FigureName::of_classes("roc_auc")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{
        one_vs_rest::{MOST_CURVES, MOST_POINTS},
        statistics::{Ranking, tests::invented},
    };

    #[test]
    fn the_area_is_the_probability_of_the_right_order() {
        let predictions = invented(3, 300);
        let outcome = Roc {}.outcome(&predictions).0;
        for (class, area) in outcome.classes.iter().enumerate() {
            let scores: Vec<f32> = predictions.probabilities.iter().skip(class).step_by(3).copied().collect();
            let ranked = Ranking::new(&scores).auc(|i| predictions.labels[i] as usize == class, |_| 1);
            assert!((area.area.unwrap() - ranked.unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn a_curve_has_about_the_area_of_all_its_points() {
        let outcome = Roc {}.outcome(&invented(12, 3000)).0;
        assert_eq!((outcome.classes.len(), outcome.curves.len()), (12, MOST_CURVES + 1));
        for curve in &outcome.curves {
            let whole = match curve.class {
                Some(class) => outcome.classes[class as usize].area,
                None => outcome.micro_average,
            };
            let points = &curve.points;
            assert!(points.len() <= MOST_POINTS && points[0] == (0.0, 0.0) && points.ends_with(&[(1.0, 1.0)]));
            let thin: f64 = points.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
            assert!((thin - whole.unwrap()).abs() < 2e-3, "{thin} {whole:?}");
        }
        let shown: Vec<f64> =
            outcome.curves[1..].iter().map(|c| outcome.classes[c.class.unwrap() as usize].area.unwrap()).collect();
        assert!(shown.is_sorted());
        let all = || outcome.classes.iter().filter_map(|class| class.area);
        assert_eq!(shown[0], all().fold(1.0, f64::min));
        assert_eq!(shown[9], all().fold(0.0, f64::max));
    }

    #[test]
    fn a_class_without_examples_has_no_area() {
        let mut predictions = invented(3, 60);
        predictions.labels.iter_mut().for_each(|label| *label = (*label).min(1));
        let outcome = Roc {}.outcome(&predictions).0;
        assert_eq!((outcome.classes[2].area, outcome.classes[2].support), (None, 0));
        let defined = [outcome.classes[0].area.unwrap(), outcome.classes[1].area.unwrap()];
        assert!((outcome.macro_average.unwrap() - (defined[0] + defined[1]) / 2.0).abs() < 1e-12);
        assert_eq!(outcome.curves.len(), 3);
        predictions.probabilities[0] = f32::NAN;
        assert!(Roc {}.outcome(&predictions).0.classes.is_empty());
    }
}
