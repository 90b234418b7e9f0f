//! The mean of the squared distances between predicted and true numbers.

use super::{MetricDefinition, Running, errors::mean_of};
use crate::task::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the squared distances between predicted and true numbers: what the loss of that name makes small.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["mse"], "examples" = [{}]))]
pub struct MeanSquaredError {}

impl MetricDefinition for MeanSquaredError {
    fn figure(&self) -> String {
        "mean_squared_error".to_owned()
    }

    fn task(&self) -> Task {
        Task::Regression
    }

    fn start(&self, _: usize) -> Box<dyn Running> {
        mean_of(|residual| residual.powi(2), |mean| mean)
    }

    fn larger_is_better(&self) -> bool {
        false
    }

    fn range(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}
