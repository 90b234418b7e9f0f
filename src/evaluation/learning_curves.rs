//! How training went, in a sentence.

use super::{Curve, EvaluationStep, StepResult, Subject};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How training went: whether it was still getting better, had settled, or overfitted, and the gap between training and
/// validation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct LearningCurves {}

/// What the curves tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whole epochs.
    pub epochs: usize,
    /// The epoch, from 1, whose weights were evaluated.
    pub kept: usize,
    /// The epoch with the smallest validation loss; the training loss where nothing was validated.
    pub lowest_loss: Option<usize>,
    /// Validation loss less training loss in the epoch whose weights were evaluated.
    pub loss_gap: Option<f64>,
    /// Training accuracy less validation accuracy in that epoch.
    pub accuracy_gap: Option<f64>,
    /// Where the curve of the loss was heading.
    pub trend: Trend,
}

/// Where a curve was heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// Too few epochs to say, or no numbers.
    Unclear,
    /// It fell to the end: more epochs may bring more.
    Improving,
    /// It hardly moved in the end.
    Settled,
    /// Validation's rose while training's fell.
    Overfitting,
}

/// A change that counts, as a part of the smallest loss.
const NOTEWORTHY: f64 = 0.01;

impl LearningCurves {
    /// Reads the curves.
    pub fn outcome(&self, history: &[Curve<'_>], best_epoch: Option<usize>) -> Outcome {
        let figure = |curve: &Curve<'_>, name: &str| {
            curve.figures.iter().find(|(figure, _)| figure == name).map(|(_, value)| *value).filter(|v| v.is_finite())
        };
        let series = |name: &str| -> Vec<(usize, f64)> {
            history.iter().filter_map(|curve| Some((curve.epoch, figure(curve, name)?))).collect()
        };
        let kept = best_epoch.or_else(|| history.last().map(|curve| curve.epoch)).unwrap_or(0);
        let at_kept = history.iter().find(|curve| curve.epoch == kept);
        let gap = |more: &str, less: &str| at_kept.and_then(|curve| Some(figure(curve, more)? - figure(curve, less)?));
        let (training, validation) = (series("loss"), series("val_loss"));
        let watched = if validation.is_empty() { &training } else { &validation };
        Outcome {
            epochs: history.len(),
            kept,
            lowest_loss: lowest(watched).map(|(epoch, _)| epoch),
            loss_gap: gap("val_loss", "loss"),
            accuracy_gap: gap("accuracy", "val_accuracy"),
            trend: trend(watched, &training),
        }
    }
}

fn lowest(series: &[(usize, f64)]) -> Option<(usize, f64)> {
    series.iter().copied().reduce(|best, next| if next.1 < best.1 { next } else { best })
}

/// Where `watched` was heading; `training` is the loss on the training examples.
fn trend(watched: &[(usize, f64)], training: &[(usize, f64)]) -> Trend {
    let (Some((best, least)), Some(&(last, end))) = (lowest(watched), watched.last()) else { return Trend::Unclear };
    if watched.len() < 4 {
        return Trend::Unclear;
    }
    let matters = NOTEWORTHY * least.abs().max(1e-12);
    let trained = |epoch: usize| training.iter().find(|(at, _)| *at == epoch).map(|(_, value)| *value);
    let training_fell = trained(best).zip(trained(last)).is_some_and(|(then, now)| now < then);
    if end - least > matters && training_fell {
        return Trend::Overfitting;
    }
    // The last quarter against what was reached before it.
    let quarter = watched.len() - watched.len().div_ceil(4);
    let before = lowest(&watched[..quarter]).map_or(f64::INFINITY, |(_, value)| value);
    if before - least > matters { Trend::Improving } else { Trend::Settled }
}

impl EvaluationStep for LearningCurves {
    fn suits(&self, _: Task) -> bool {
        true
    }

    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(&subject.history(), subject.best_epoch()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend_of(loss: &[f64], validation: &[f64]) -> Outcome {
        let history: Vec<(usize, Vec<(String, f64)>)> = (0..loss.len())
            .map(|i| {
                let mut figures = vec![("loss".to_owned(), loss[i])];
                figures.extend(validation.get(i).map(|value| ("val_loss".to_owned(), *value)));
                (i + 1, figures)
            })
            .collect();
        let curves: Vec<Curve<'_>> = history.iter().map(|(epoch, figures)| Curve { epoch: *epoch, figures }).collect();
        LearningCurves {}.outcome(&curves, None)
    }

    #[test]
    fn the_end_of_the_curve_decides() {
        let falling = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];
        assert_eq!(trend_of(&falling, &[]).trend, Trend::Improving);
        assert_eq!(trend_of(&falling, &[1.0, 0.9, 0.8, 0.7, 0.75, 0.8, 0.9, 1.0]).trend, Trend::Overfitting);
        assert_eq!(trend_of(&falling, &[1.0, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]).trend, Trend::Settled);
        assert_eq!(trend_of(&falling[..3], &[]).trend, Trend::Unclear);
        assert_eq!(trend_of(&[f64::NAN; 8], &[]).trend, Trend::Unclear);
        let outcome = trend_of(&falling, &[1.0, 0.9, 0.8, 0.7, 0.75, 0.8, 0.9, 1.0]);
        assert_eq!((outcome.lowest_loss, outcome.kept), (Some(4), 8));
        assert!((outcome.loss_gap.unwrap() - 0.9).abs() < 1e-12);
    }
}
