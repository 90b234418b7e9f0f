//! The share of examples whose true class is among the k most probable; among equals the first counts as the more probable.

use super::{MetricDefinition, Running, counted::share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The share of examples whose true class is among the `k` most probable; told as `top_5_accuracy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "k", "x-known-as" = ["sparse_top_k_categorical_accuracy", "top_5_accuracy", "top_k_accuracy"], "examples" = [{}, {"k": 3}]))]
pub struct TopKCategoricalAccuracy {
    /// How many of the most probable classes to look at.
    #[schemars(range(min = 1, max = 100000))]
    pub k: usize,
}

impl Default for TopKCategoricalAccuracy {
    fn default() -> Self {
        TopKCategoricalAccuracy { k: 5 }
    }
}

impl MetricDefinition for TopKCategoricalAccuracy {
    fn figure(&self) -> String {
        format!("top_{}_accuracy", self.k)
    }

    fn needs_probabilities(&self) -> bool {
        true
    }

    fn start(&self, _: usize) -> Box<dyn Running> {
        let k = self.k;
        share(move |examples, index| examples.rank(index) < k)
    }

    fn beyond(&self, classes: usize) -> Option<&'static str> {
        (self.k > classes).then_some("k")
    }
}
