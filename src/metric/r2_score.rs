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

    fn sums(&self) -> Vec<f64> {
        vec![self.errors, self.examples, self.mean, self.deviations]
    }

    fn go_on_from(&mut self, sums: &[f64], _: &[u8]) -> bool {
        let [errors, examples, mean, deviations] = *sums else { return false };
        *self = Explained { errors, examples, mean, deviations };
        true
    }
}
