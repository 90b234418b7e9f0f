//! How far predicted numbers are from the true ones: all together, and where they are farthest.

use super::{
    Estimates, EvaluationStep, Histogram, StepResult, Subject,
    gallery::by_chance,
    statistics::moments,
};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is left of the true numbers when the predicted ones are taken off: a chart of both, how the differences are spread, and
/// the rows with the largest ones. For sources whose `task` is `regression`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "count", "examples" = [{}, {"count": 30}]))]
pub struct Residuals {
    /// How many of the rows with the largest differences to list.
    #[schemars(range(min = 1, max = 200))]
    pub count: usize,
}

impl Default for Residuals {
    fn default() -> Self {
        Residuals { count: 15 }
    }
}

/// The chart shows at most so many examples.
const MOST_POINTS: usize = 1000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many examples there are whose prediction is a finite number.
    pub examples: usize,
    /// The mean of the residuals, true less predicted: below 0 where too much is said. `None` without examples.
    pub mean: Option<f64>,
    /// Their standard deviation.
    pub deviation: Option<f64>,
    /// How they are spread.
    pub histogram: Option<Histogram>,
    /// True and predicted numbers: of all examples, or of some by chance where there are too many to be drawn.
    pub points: Vec<(f32, f32)>,
    /// The examples with the largest differences, the largest one first.
    pub worst: Vec<Missed>,
}

/// An example whose number was missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    /// Its place in the test split, from 0.
    pub index: usize,
    /// What people call it, such as the file and the number of its row.
    pub name: String,
    /// Its number.
    pub target: f32,
    /// What the model said.
    pub predicted: f32,
}

impl Residuals {
    /// What is to be told of `estimates`, whose examples are called as `name` says.
    pub fn outcome(&self, estimates: &Estimates, name: impl Fn(usize) -> String) -> Outcome {
        let finite: Vec<usize> = (0..estimates.len()).filter(|&index| estimates.residual(index).is_finite()).collect();
        let residuals: Vec<f64> = finite.iter().map(|&index| estimates.residual(index)).collect();
        let moments = moments(&residuals);
        let shown = by_chance(finite.len(), MOST_POINTS, "residuals");
        let mut worst = finite.clone();
        worst.sort_by(|&a, &b| estimates.residual(b).abs().total_cmp(&estimates.residual(a).abs()).then(a.cmp(&b)));
        let missed = |index: usize| Missed {
            index,
            name: name(index),
            target: estimates.targets[index],
            predicted: estimates.predicted[index],
        };
        Outcome {
            examples: finite.len(),
            mean: moments.map(|(mean, _)| mean),
            deviation: moments.map(|(_, deviation)| deviation),
            histogram: Histogram::of(&residuals),
            points: shown
                .into_iter()
                .map(|at| (estimates.targets[finite[at]], estimates.predicted[finite[at]]))
                .collect(),
            worst: worst.into_iter().take(self.count).map(missed).collect(),
        }
    }
}

impl EvaluationStep for Residuals {
    fn suits(&self, task: Task) -> bool {
        task == Task::Regression
    }

    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.estimates(), |index| subject.describe(index)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_come_first_and_what_is_no_number_nowhere() {
        let targets = vec![1.0, 2.0, 3.0, 4.0, 5.0];
        let estimates = Estimates { targets, predicted: vec![1.5, 5.0, f32::NAN, 1.0, 5.0] };
        let outcome = Residuals { count: 3 }.outcome(&estimates, |index| format!("row {index}"));
        assert_eq!((outcome.examples, outcome.points.len()), (4, 4));
        // -0.5, -3, 3, 0
        assert_eq!(outcome.mean, Some(-0.125));
        assert!((outcome.deviation.unwrap() - (18.1875f64 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(outcome.worst.iter().map(|missed| missed.index).collect::<Vec<_>>(), [1, 3, 0]);
        assert_eq!(outcome.worst[0].name, "row 1");
        assert_eq!(outcome.histogram.unwrap().counts.iter().sum::<u64>(), 4);
    }

    #[test]
    fn of_many_examples_some_are_drawn_and_always_the_same() {
        let targets: Vec<f32> = (0..5000).map(|at| at as f32).collect();
        let estimates = Estimates { predicted: targets.iter().map(|target| target + 1.0).collect(), targets };
        let outcome = Residuals::default().outcome(&estimates, |index| index.to_string());
        assert_eq!((outcome.examples, outcome.points.len()), (5000, MOST_POINTS));
        assert_eq!(outcome, Residuals::default().outcome(&estimates, |index| index.to_string()));
        let nothing = Residuals::default().outcome(&Estimates::default(), |index| index.to_string());
        assert_eq!((nothing.mean, nothing.histogram, nothing.worst.len()), (None, None, 0));
    }
}
