//! The share of the variance that is explained: one less the squared errors through the squared deviations from the mean.

use super::{MetricDefinition, Running};
use crate::{evaluation::Answers, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The share of the numbers' variance that predictions explain: 1 for all of it, 0 for always saying the mean, less for worse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["r2", "R2", "coefficient_of_determination"], "examples" = [{}]))]
pub struct R2Score {}

impl MetricDefinition for R2Score {
    fn figure(&self) -> String {
        "r2_score".to_owned()
    }

    fn task(&self) -> Task {
        Task::Regression
    }

    fn start(&self, _: usize) -> Box<dyn Running> {
        Box::new(Explained::default())
    }

    fn range(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, 1.0)
    }
}

/// Squared errors, and the true numbers' squared deviations from their mean, both of which are kept up to date example by
/// example (Welford 1962): the sum of squares of large numbers would lose them.
#[derive(Default)]
struct Explained {
    errors: f64,
    examples: f64,
    mean: f64,
    deviations: f64,
}

impl Explained {
    /// Of the examples of both (Chan, Golub and LeVeque, 1979).
    fn and(&self, other: &Self) -> Self {
        if self.examples == 0.0 {
            return Explained { ..*other };
        }
        let examples = self.examples + other.examples;
        let apart = other.mean - self.mean;
        Explained {
            errors: self.errors + other.errors,
            examples,
            mean: self.mean + apart * other.examples / examples,
            deviations: self.deviations + other.deviations + apart * apart * self.examples * other.examples / examples,
        }
    }
}

impl Running for Explained {
    fn add(&mut self, answers: &Answers) {
        let estimates = answers.estimates();
        for index in 0..estimates.len() {
            let target = f64::from(estimates.targets[index]);
            self.errors += estimates.residual(index).powi(2);
            self.examples += 1.0;
            let before = target - self.mean;
            self.mean += before / self.examples;
            self.deviations += before * (target - self.mean);
        }
    }

    /// Not defined where all true numbers are the same.
    fn value(&self, _: usize) -> f64 {
        if self.deviations > 0.0 { 1.0 - self.errors / self.deviations } else { f64::NAN }
    }

    fn remembered(&self) -> Vec<u8> {
        let Explained { errors, examples, mean, deviations } = *self;
        if examples == 0.0 {
            return Vec::new();
        }
        [errors, examples, mean, deviations].iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Means and deviations aren't added up as sums are.
    fn keeps_examples(&self) -> bool {
        true
    }

    fn take_up(&mut self, sums: &[f64], remembered: &[u8]) -> bool {
        let (numbers, rest) = remembered.as_chunks::<8>();
        let (parts, more) = numbers.as_chunks::<4>();
        for part in parts {
            let [errors, examples, mean, deviations] = part.map(f64::from_le_bytes);
            *self = self.and(&Explained { errors, examples, mean, deviations });
        }
        sums.is_empty() && rest.is_empty() && more.is_empty()
    }
}
