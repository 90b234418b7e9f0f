//! Figures that are told while training: Keras' metrics, one file each. All are exact over the epoch.

mod counted;
mod errors;

use crate::{evaluation::Answers, family, task::Task};

/// What all metrics share.
pub trait MetricDefinition {
    /// The name of the figure, such as `macro_f1`.
    fn figure(&self) -> String;

    /// Begins to look at examples of so many classes.
    fn start(&self, classes: usize) -> Box<dyn Running>;

    /// Of what predictions it is a figure.
    fn task(&self) -> Task {
        Task::Classification
    }

    /// Whether it looks at the probabilities of the classes.
    fn needs_probabilities(&self) -> bool {
        false
    }

    /// Whether a larger figure is a better one.
    fn larger_is_better(&self) -> bool {
        true
    }

    /// The least and the largest value that the figure can have.
    fn range(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    /// The argument that asks for more classes than there are, where one does.
    fn beyond(&self, _classes: usize) -> Option<&'static str> {
        None
    }
}

/// A metric at work.
pub trait Running {
    /// Looks at some examples more. Those of another task tell it nothing; the check refuses them.
    fn add(&mut self, answers: &Answers);

    /// The figure over all examples so far, of which there are so many; NaN where it isn't defined.
    fn value(&self, examples: usize) -> f64;

    /// The sums that it is made of.
    fn sums(&self) -> Vec<f64> {
        Vec::new()
    }

    /// All examples that it has to remember, as bytes.
    fn remembered(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Whether it remembers single examples.
    fn keeps_examples(&self) -> bool {
        false
    }

    /// Adds the sums and the examples of another one to its own, as if it had looked at them itself; says whether they could be
    /// understood.
    fn take_up(&mut self, sums: &[f64], remembered: &[u8]) -> bool;

    /// Whether it takes no time to tell the figure, so that it can be told after each step.
    fn is_quick(&self) -> bool {
        true
    }
}

/// What `whole` makes of what `sum` gives for all examples together, divided by how many they are.
fn averaged(sum: impl Fn(&Answers) -> f64 + 'static, whole: fn(f64) -> f64) -> Box<dyn Running> {
    Box::new(Averaged { total: 0.0, sum, whole })
}

struct Averaged<F> {
    total: f64,
    sum: F,
    whole: fn(f64) -> f64,
}

impl<F: Fn(&Answers) -> f64> Running for Averaged<F> {
    fn add(&mut self, answers: &Answers) {
        self.total += (self.sum)(answers);
    }

    fn value(&self, examples: usize) -> f64 {
        (self.whole)(self.total / examples as f64)
    }

    fn sums(&self) -> Vec<f64> {
        vec![self.total]
    }

    fn take_up(&mut self, sums: &[f64], _: &[u8]) -> bool {
        let fits = sums.len() == 1;
        if fits {
            self.total += sums[0];
        }
        fits
    }
}

family! {
    /// A figure that is told while training.
    pub enum Metric("metric"): MetricDefinition {
        accuracy::Accuracy,
        top_k_categorical_accuracy::TopKCategoricalAccuracy,
        precision::Precision,
        recall::Recall,
        f1_score::F1Score,
        auc::Auc,
        balanced_accuracy::BalancedAccuracy,
        cohen_kappa::CohenKappa,
        matthews_correlation::MatthewsCorrelation,
        mean_absolute_error::MeanAbsoluteError,
        mean_squared_error::MeanSquaredError,
        root_mean_squared_error::RootMeanSquaredError,
        r2_score::R2Score,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{self, Estimates, Evaluation, Predictions, StepResult, trial::Trial};

    fn classified() -> Predictions {
        Trial::new(&[
            (0, [0.7, 0.2, 0.1]),
            (1, [0.1, 0.6, 0.3]),
            (2, [0.2, 0.5, 0.3]),
            (2, [0.1, 0.1, 0.8]),
            (1, [0.5, 0.3, 0.2]),
            (0, [0.3, 0.3, 0.4]),
        ])
        .predictions
    }

    /// Six answers to what `metric` is a figure of.
    fn answers(metric: &Metric) -> Answers {
        match metric.task() {
            Task::Classification => classified().into(),
            Task::Regression => Estimates {
                targets: vec![1e6, 1e6 + 1.0, 1e6 - 2.0, 1e6 + 4.0, 1e6, 1e6 + 3.0],
                predicted: vec![1e6, 1e6 + 2.0, 1e6 - 1.0, 1e6 + 3.5, 1e6 + 0.25, 1e6 + 2.0],
            }
            .into(),
        }
    }

    fn documented() -> Vec<Metric> {
        let examples = crate::family::examples::<Metric>();
        examples
            .into_iter()
            .map(|(name, it)| serde_json::from_value(it).unwrap_or_else(|e| panic!("{name}: {e}")))
            .collect()
    }

    /// Those of the evaluation are held against scikit-learn's.
    #[test]
    fn a_metric_is_the_figure_of_the_evaluation_of_that_name() {
        let trial = classified();
        let steps = [
            Evaluation::Metrics(evaluation::Metrics { resamples: 100 }),
            Evaluation::TopK(evaluation::TopK { k: vec![1, 2, 3] }),
        ];
        let mut given: Vec<(String, f64)> = Vec::new();
        for step in steps {
            let result: StepResult = match step {
                Evaluation::Metrics(metrics) => metrics.outcome(&trial).into(),
                Evaluation::TopK(top) => top.outcome(&trial).into(),
                _ => unreachable!(),
            };
            given.extend(result.figures());
        }
        given.push(("test_accuracy".to_owned(), 0.5));
        let mut compared = 0;
        let Answers::Numbers(estimates) = answers(&Metric::R2Score(R2Score {})) else { unreachable!() };
        given.extend(StepResult::from(evaluation::Metrics { resamples: 100 }.of_estimates(&estimates)).figures());
        for metric in documented() {
            let mut running = metric.start(3);
            running.add(&answers(&metric));
            let name = format!("test_{}", metric.figure());
            let Some((_, wanted)) = given.iter().find(|(figure, _)| *figure == name) else { continue };
            let value = running.value(6);
            // Of numbers around a million single digits are lost on the way.
            let tolerance = if metric.task() == Task::Regression { 1e-9 } else { 1e-12 };
            assert!((value - wanted).abs() < tolerance, "{name}: {value}, not {wanted}");
            assert!((metric.range().0..=metric.range().1).contains(&value), "{name}");
            compared += 1;
        }
        assert!(compared >= 14, "{compared}");
    }

    #[test]
    fn one_that_takes_up_what_others_saw_gives_the_same() {
        for metric in documented() {
            let trial = answers(&metric);
            let mut whole = metric.start(3);
            whole.add(&trial);
            let seen = |from, to| {
                let mut metric = metric.start(3);
                metric.add(&trial.part(from, to));
                assert_eq!(metric.keeps_examples(), !metric.remembered().is_empty());
                (metric.sums(), metric.remembered())
            };
            let taking_up = |parts: &[(usize, usize)]| {
                let mut after = metric.start(3);
                for (from, to) in parts {
                    let (sums, remembered) = seen(*from, *to);
                    assert!(after.take_up(&sums, &remembered), "{}", metric.figure());
                }
                after.add(&trial.part(4, 6));
                after.value(6)
            };
            let several = taking_up(&[(0, 3), (3, 4)]);
            // Counts are exact; numbers that are added in another order lose other last digits.
            let tolerance = if metric.task() == Task::Regression { 1e-12 } else { 0.0 };
            assert!((several - whole.value(6)).abs() <= tolerance, "{}: {several}", metric.figure());
            // What one goes on from, it goes on from bit by bit.
            let after = taking_up(&[(0, 4)]);
            let (one, other) = (whole.value(6), after);
            assert_eq!(one.to_bits(), other.to_bits(), "{}: {one} and {other}", metric.figure());
            assert!(!metric.start(4).take_up(&[0.0; 5], &[1; 7]), "{}", metric.figure());
        }
    }

    #[test]
    fn without_examples_nothing_is_defined() {
        for metric in documented() {
            assert!(metric.start(3).value(0).is_nan(), "{}", metric.figure());
        }
    }
}
