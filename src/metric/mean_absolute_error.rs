//! The mean distance between predicted and true numbers.

use super::{MetricDefinition, Running, errors::mean_of};
use crate::task::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far predicted numbers are from the true ones, on average, in their unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["mae"], "examples" = [{}]))]
pub struct MeanAbsoluteError {}

impl MetricDefinition for MeanAbsoluteError {
    fn figure(&self) -> String {
        "mean_absolute_error".to_owned()
    }

    fn task(&self) -> Task {
        Task::Regression
    }

    fn start(&self, _: usize) -> Box<dyn Running> {
        mean_of(f64::abs, |mean| mean)
    }

    fn larger_is_better(&self) -> bool {
        false
    }

    fn range(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}
