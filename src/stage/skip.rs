//! All but the first elements, as tf.data's `skip`.

use super::{Elements, Occasion, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Leaves the first elements out: examples, or, behind `batch`, batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "count", "x-known-as" = ["offset"], "examples" = [{"count": 1000}]))]
pub struct Skip {
    /// How many.
    #[schemars(range(min = 1, max = 1000000000))]
    pub count: usize,
}

impl StageDefinition for Skip {
    fn apply(&self, mut elements: Elements, _: Occasion<'_>) -> Elements {
        let first = self.count.min(elements.len());
        match &mut elements {
            Elements::Examples(examples) => drop(examples.drain(..first)),
            Elements::Batches(batches) => drop(batches.drain(..first)),
        }
        elements
    }
}
