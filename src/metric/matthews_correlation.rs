//! The correlation coefficient of Matthews for any number of classes (Gorodkin, 2004).

use super::{MetricDefinition, Running, counted::counting};
use crate::evaluation::statistics::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The correlation of predictions and labels: 1 for all right, 0 for chance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["mcc", "matthews_corrcoef"], "examples" = [{}]))]
pub struct MatthewsCorrelation {}

impl MetricDefinition for MatthewsCorrelation {
    fn figure(&self) -> String {
        "matthews_correlation".to_owned()
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        counting(classes, Tally::matthews)
    }

    fn range(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }
}
