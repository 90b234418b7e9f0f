//! The usual figures, each with the interval in which it would lie if other examples of the same kind had been drawn.
//!
//! Of classes these are accuracy and its kin; of predicted numbers, errors and the variance that is explained.
//!
//! Proportions of examples (accuracy, top-5 accuracy) have the interval of Wilson; all others that of the bootstrap's
//! percentile method over examples. Definitions are scikit-learn's; what isn't defined is `None`.

use super::{
    Estimates, EvaluationStep, FigureName, Predictions, StepResult, Subject,
    estimates::{self, FIGURES},
    figures::named,
    statistics::{Tally, bootstrap, log_losses, mean_area, moments, percentiles, quantile, rankings, wilson},
    top_k::right_within,
};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table of figures with their 95% intervals: accuracy, balanced accuracy, precision, recall and F1 (macro and weighted),
/// log loss, Cohen's kappa, Matthews' correlation, ROC AUC, and top-5 accuracy where there are more than five classes. Where
/// numbers are predicted: mean absolute error, root mean squared error, mean squared error, and R2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "resamples", "examples" = [{}, {"resamples": 5000}]))]
pub struct Metrics {
    /// How many samples the bootstrap draws for the intervals of what isn't a proportion.
    #[serde(default = "thousand")]
    #[schemars(range(min = 100, max = 100000))]
    pub resamples: u32,
}

fn thousand() -> u32 {
    1000
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { resamples: thousand() }
    }
}

/// Examples times classes up to which the area under the ROC curve is computed for every resample.
const MOST_RANKED: usize = 4_000_000;

/// The computed table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many examples it was computed from.
    pub examples: u64,
    /// How many samples the bootstrap drew.
    pub resamples: u32,
    /// The figures, in the order in which they are shown.
    pub figures: Vec<Figure>,
    /// The class with the most examples, and the accuracy of always saying it. `None` without examples.
    pub most_frequent: Option<(String, f64)>,
    /// What always saying the same number would come to. `None` of classes and without examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<Constant>,
}

/// What always saying the same number would come to, if the true ones were known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// Of their median: no other number has a smaller one.
    pub mean_absolute_error: f64,
    /// Of their mean, likewise.
    pub root_mean_squared_error: f64,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Such as `balanced_accuracy`.
    pub name: String,
    /// `None` where it isn't defined.
    pub value: Option<f64>,
    /// Lower and upper end of the 95% interval.
    pub interval: Option<(f64, f64)>,
    /// How the interval was made.
    pub method: Method,
}

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Wilson's, for proportions.
    Wilson,
    /// The bootstrap's percentile method.
    Bootstrap,
}

/// A figure that follows from the counts of right, predicted and true examples by class.
type Counted = (&'static str, fn(&Tally) -> Option<f64>);

const COUNTED: [Counted; 9] = [
    ("balanced_accuracy", Tally::balanced_accuracy),
    ("macro_precision", |tally| tally.macro_average(Tally::precision)),
    ("macro_recall", |tally| tally.macro_average(Tally::recall)),
    ("macro_f1", |tally| tally.macro_average(Tally::f1)),
    ("weighted_precision", |tally| tally.weighted_average(Tally::precision)),
    ("weighted_recall", |tally| tally.weighted_average(Tally::recall)),
    ("weighted_f1", |tally| tally.weighted_average(Tally::f1)),
    ("cohen_kappa", Tally::kappa),
    ("matthews_correlation", Tally::matthews),
];

impl Metrics {
    /// Computes the table.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        let examples = predictions.labels.len();
        let classes = predictions.classes.len();
        let tally = Tally::new(predictions, |_| 1);
        let losses = log_losses(predictions);
        let rankings = rankings(predictions);

        // One row of values for every figure that isn't a proportion, for the predictions as they are or as drawn.
        let values = |count: &(dyn Fn(usize) -> u32 + Sync), with_areas: bool| -> Vec<Option<f64>> {
            let tally = Tally::new(predictions, count);
            let mut values: Vec<Option<f64>> = COUNTED.iter().map(|(_, figure)| figure(&tally)).collect();
            values.push(losses.as_ref().and_then(|losses| {
                let sum: f64 = losses.iter().enumerate().map(|(example, loss)| loss * f64::from(count(example))).sum();
                (examples > 0).then(|| sum / examples as f64)
            }));
            let ranked = rankings.as_ref().filter(|_| with_areas);
            values.push(ranked.and_then(|rankings| mean_area(predictions, rankings, count)));
            values
        };
        let seen = values(&|_| 1, true);
        let with_areas = examples.saturating_mul(classes) <= MOST_RANKED;
        let drawn = bootstrap(examples, self.resamples, |counts| values(&|example| counts[example], with_areas));

        let names = COUNTED.iter().map(|(name, _)| *name).chain(["log_loss", "macro_roc_auc"]);
        let resampled = names.enumerate().map(|(i, name)| Figure {
            name: name.to_owned(),
            value: seen[i],
            interval: seen[i].and_then(|_| percentiles(drawn.iter().filter_map(|values| values[i]))),
            method: Method::Bootstrap,
        });
        let top_5 = (classes > 5).then(|| proportion("top_5_accuracy", right_within(predictions, 5), examples));
        let figures = [proportion("accuracy", Some(tally.right.iter().sum()), examples)]
            .into_iter()
            .chain(top_5)
            .chain(resampled)
            .collect();
        let most = tally.support.iter().enumerate().max_by_key(|&(class, &support)| (support, std::cmp::Reverse(class)));
        let most_frequent = most
            .filter(|_| examples > 0)
            .map(|(class, &support)| (predictions.classes[class].clone(), support as f64 / examples as f64));
        Outcome { examples: examples as u64, resamples: self.resamples, figures, most_frequent, constant: None }
    }

    /// Computes the table of predicted numbers.
    pub fn of_estimates(&self, estimates: &Estimates) -> Outcome {
        let values = |count: &(dyn Fn(usize) -> u32 + Sync)| FIGURES.map(|(_, figure)| figure(estimates, &count));
        let seen = values(&|_| 1);
        let drawn = bootstrap(estimates.len(), self.resamples, |counts| values(&|example| counts[example]));
        let figures = FIGURES.iter().enumerate().map(|(at, (name, _))| Figure {
            name: (*name).to_owned(),
            value: seen[at],
            interval: seen[at].and_then(|_| percentiles(drawn.iter().filter_map(|values| values[at]))),
            method: Method::Bootstrap,
        });
        Outcome {
            examples: estimates.len() as u64,
            resamples: self.resamples,
            figures: figures.collect(),
            most_frequent: None,
            constant: constant(&estimates.targets),
        }
    }
}

/// What always saying the same number would come to.
fn constant(targets: &[f32]) -> Option<Constant> {
    let mut sorted: Vec<f64> = targets.iter().map(|target| f64::from(*target)).collect();
    sorted.sort_by(f64::total_cmp);
    let median = quantile(&sorted, 0.5)?;
    let (_, deviation) = moments(&sorted)?;
    let off: f64 = sorted.iter().map(|target| (target - median).abs()).sum();
    Some(Constant { mean_absolute_error: off / sorted.len() as f64, root_mean_squared_error: deviation })
}

fn proportion(name: &str, right: Option<u64>, examples: usize) -> Figure {
    let value = right.filter(|_| examples > 0).map(|right| right as f64 / examples as f64);
    Figure {
        name: name.to_owned(),
        value,
        interval: value.map(|value| wilson(value, examples)),
        method: Method::Wilson,
    }
}

impl Outcome {
    /// All but the accuracy, which is told of every evaluation.
    pub(super) fn named_figures(&self) -> Vec<(String, f64)> {
        let others = self.figures.iter().filter(|figure| figure.name != "accuracy");
        named(others.map(|figure| (figure.name.as_str(), figure.value)))
    }

    pub(super) fn named_intervals(&self) -> Vec<(String, (f64, f64))> {
        let known = |figure: &Figure| Some((format!("test_{}", figure.name), figure.interval?));
        self.figures.iter().filter_map(known).collect()
    }
}

impl EvaluationStep for Metrics {
    fn suits(&self, _: Task) -> bool {
        true
    }

    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(match subject.task() {
            Task::Classification => self.outcome(subject.predictions()),
            Task::Regression => self.of_estimates(subject.estimates()),
        }
        .into())
    }

    fn figures(&self, task: Task) -> Vec<FigureName> {
        if task == Task::Regression {
            return FIGURES.iter().map(|(name, _)| FigureName::within(name, estimates::range(name))).collect();
        }
        let counted = COUNTED.iter().map(|(name, _)| match *name {
            "cohen_kappa" | "matthews_correlation" => FigureName::within(name, (-1.0, 1.0)),
            share => FigureName::share(share),
        });
        let others = [FigureName::within("log_loss", (0.0, f64::INFINITY)), FigureName::share("macro_roc_auc")];
        counted.chain(others).chain([FigureName::share("top_5_accuracy")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::statistics::tests::invented;

    fn figure<'a>(outcome: &'a Outcome, name: &str) -> &'a Figure {
        outcome.figures.iter().find(|figure| figure.name == name).unwrap()
    }

    #[test]
    fn every_figure_lies_in_its_interval() {
        let outcome = Metrics::default().outcome(&invented(6, 500));
        assert_eq!(outcome.figures.len(), 13);
        for Figure { name, value, interval, .. } in &outcome.figures {
            let (value, (low, high)) = (value.unwrap(), interval.unwrap());
            assert!(low < value && value < high, "{name}: {value} in {low} to {high}");
            assert!(high - low < 0.2, "{name}: {low} to {high}");
        }
        assert_eq!(figure(&outcome, "accuracy").method, Method::Wilson);
        assert_eq!(figure(&outcome, "log_loss").method, Method::Bootstrap);
        assert_eq!(outcome, Metrics::default().outcome(&invented(6, 500)));
    }

    /// Accuracy isn't bootstrapped, but weighted recall is the same number and is.
    #[test]
    fn bootstrap_and_wilson_agree_about_a_proportion() {
        let outcome = Metrics { resamples: 2000 }.outcome(&invented(3, 1000));
        let (wilson, bootstrap) = (figure(&outcome, "accuracy"), figure(&outcome, "weighted_recall"));
        assert!((wilson.value.unwrap() - bootstrap.value.unwrap()).abs() < 1e-12);
        let (one, other) = (wilson.interval.unwrap(), bootstrap.interval.unwrap());
        assert!((one.0 - other.0).abs() < 0.004 && (one.1 - other.1).abs() < 0.004, "{one:?} {other:?}");
    }

    #[test]
    fn without_numbers_or_examples_there_are_no_figures() {
        let mut predictions = invented(3, 50);
        predictions.probabilities[7] = f32::NAN;
        let outcome = Metrics::default().outcome(&predictions);
        assert_eq!(figure(&outcome, "log_loss").value, None);
        assert_eq!(figure(&outcome, "macro_roc_auc").interval, None);
        assert!(figure(&outcome, "macro_f1").interval.is_some());

        let nothing = Metrics::default().outcome(&invented(3, 0));
        assert!(nothing.figures.iter().all(|figure| figure.value.is_none() && figure.interval.is_none()));
        assert_eq!(nothing.most_frequent, None);
    }

    #[test]
    fn errors_lie_in_their_intervals_and_below_those_of_always_saying_the_same() {
        let targets: Vec<f32> = (0..400).map(|at| (at % 37) as f32).collect();
        let predicted = targets.iter().enumerate().map(|(at, target)| target + (at % 5) as f32 - 2.0).collect();
        let outcome = Metrics::default().of_estimates(&Estimates { targets, predicted });
        for Figure { name, value, interval, .. } in &outcome.figures {
            let (value, (low, high)) = (value.unwrap(), interval.unwrap());
            assert!(low < value && value < high && high - low < 0.5, "{name}: {value} in {low} to {high}");
        }
        let constant = outcome.constant.unwrap();
        assert!(figure(&outcome, "mean_absolute_error").value.unwrap() < constant.mean_absolute_error);
        assert!(figure(&outcome, "root_mean_squared_error").value.unwrap() < constant.root_mean_squared_error);
        let nothing = Metrics::default().of_estimates(&Estimates::default());
        assert!(nothing.constant.is_none() && nothing.figures.iter().all(|figure| figure.value.is_none()));
    }

    #[test]
    fn the_first_of_equally_frequent_classes_is_named() {
        let mut predictions = invented(3, 4);
        predictions.labels = vec![2, 1, 1, 2];
        assert_eq!(Metrics::default().outcome(&predictions).most_frequent, Some(("class 1".into(), 0.5)));
    }
}
