//! Figures that are told while training: Keras' metrics, one file each. All are exact over the epoch.

mod counted;

use crate::{evaluation::Predictions, family};

/// What all metrics share.
pub trait MetricDefinition {
    /// The name of the figure, such as `macro_f1`.
    fn figure(&self) -> String;

    /// Begins to look at examples of so many classes.
    fn start(&self, classes: usize) -> Box<dyn Running>;

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
    /// Looks at some examples more.
    fn add(&mut self, examples: &Predictions);

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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{self, Evaluation, StepResult, trial::Trial};

    fn examples() -> Predictions {
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

    fn part(all: &Predictions, from: usize, to: usize) -> Predictions {
        let classes = all.classes.len();
        Predictions {
            classes: all.classes.clone(),
            labels: all.labels[from..to].to_vec(),
            predicted: all.predicted[from..to].to_vec(),
            probabilities: all.probabilities[from * classes..to * classes].to_vec(),
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
        let trial = examples();
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
        for metric in documented() {
            let mut running = metric.start(3);
            running.add(&trial);
            let name = format!("test_{}", metric.figure());
            let Some((_, wanted)) = given.iter().find(|(figure, _)| *figure == name) else { continue };
            let value = running.value(trial.len());
            assert!((value - wanted).abs() < 1e-12, "{name}: {value}, not {wanted}");
            assert!((metric.range().0..=metric.range().1).contains(&value), "{name}");
            compared += 1;
        }
        assert!(compared >= 10, "{compared}");
    }

    #[test]
    fn one_that_takes_up_what_others_saw_gives_the_same() {
        let trial = examples();
        for metric in documented() {
            let mut whole = metric.start(3);
            whole.add(&trial);
            let seen = |from, to| {
                let mut metric = metric.start(3);
                metric.add(&part(&trial, from, to));
                assert_eq!(metric.keeps_examples(), !metric.remembered().is_empty());
                (metric.sums(), metric.remembered())
            };
            let mut after = metric.start(3);
            for (sums, remembered) in [seen(0, 3), seen(3, 4)] {
                assert!(after.take_up(&sums, &remembered), "{}", metric.figure());
            }
            after.add(&part(&trial, 4, 6));
            let (one, other) = (whole.value(6), after.value(6));
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
