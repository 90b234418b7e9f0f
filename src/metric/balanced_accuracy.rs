//! The mean recall of the classes that have examples.

use super::{MetricDefinition, Running, counted::counting};
use crate::evaluation::statistics::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The accuracy if all classes were equally frequent: the mean of their recalls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct BalancedAccuracy {}

impl MetricDefinition for BalancedAccuracy {
    fn figure(&self) -> String {
        "balanced_accuracy".to_owned()
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        counting(classes, Tally::balanced_accuracy)
    }
}
