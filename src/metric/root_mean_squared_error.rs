//! The square root of the mean squared distance between predicted and true numbers.

use super::{MetricDefinition, Running, errors::mean_of};
use crate::task::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The root of the mean squared error: an error in the numbers' unit in which large ones weigh more than in the mean absolute error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["rmse"], "examples" = [{}]))]
pub struct RootMeanSquaredError {}

impl MetricDefinition for RootMeanSquaredError {
    fn figure(&self) -> String {
        "root_mean_squared_error".to_owned()
    }

    fn task(&self) -> Task {
        Task::Regression
    }

    fn start(&self, _: usize) -> Box<dyn Running> {
        mean_of(|residual| residual.powi(2), f64::sqrt)
    }

    fn larger_is_better(&self) -> bool {
        false
    }

    fn range(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}
