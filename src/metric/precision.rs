//! Right ones among those predicted to be of a class.

use super::{MetricDefinition, Running, counted::Average};
use crate::evaluation::statistics::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many of the examples predicted to be of a class are of it; told as `macro_precision`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "average", "examples" = [{}, {"average": "weighted"}]))]
pub struct Precision {
    /// How the figures of single classes become one.
    pub average: Average,
}

impl MetricDefinition for Precision {
    fn figure(&self) -> String {
        self.average.named("precision")
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        self.average.start(classes, Tally::precision)
    }
}
