//! Right ones among those that are of a class.

use super::{MetricDefinition, Running, counted::Average};
use crate::evaluation::statistics::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many of the examples of a class are found; told as `macro_recall`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "average", "x-known-as" = ["sensitivity"], "examples" = [{}, {"average": "weighted"}]))]
pub struct Recall {
    /// How the figures of single classes become one.
    pub average: Average,
}

impl MetricDefinition for Recall {
    fn figure(&self) -> String {
        self.average.named("recall")
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        self.average.start(classes, Tally::recall)
    }
}
