//! The share of examples whose most probable class is the true one; the first among equals counts.

use super::{MetricDefinition, Running, counted::share};
use crate::evaluation::Predictions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The share of examples predicted right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy"], "examples" = [{}]))]
pub struct Accuracy {}

impl MetricDefinition for Accuracy {
    fn figure(&self) -> String {
        "accuracy".to_owned()
    }

    fn start(&self, _: usize) -> Box<dyn Running> {
        share(Predictions::is_right)
    }
}
