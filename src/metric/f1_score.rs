//! The harmonic mean of precision and recall.

use super::{MetricDefinition, Running, counted::Average};
use crate::evaluation::statistics::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Precision and recall in one figure, their harmonic mean; told as `macro_f1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "average", "x-known-as" = ["f1", "macro_f1", "fbeta_score"], "examples" = [{}, {"average": "weighted"}]))]
pub struct F1Score {
    /// How the figures of single classes become one.
    pub average: Average,
}

impl MetricDefinition for F1Score {
    fn figure(&self) -> String {
        self.average.named("f1")
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        self.average.start(classes, Tally::f1)
    }
}
