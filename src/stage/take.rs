//! The first elements, as tf.data's `take`.

use super::{Elements, Occasion, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Goes on with the first elements only: examples, or, behind `batch`, batches. Behind `shuffle`, each epoch takes others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "count", "x-known-as" = ["limit", "head"], "examples" = [{"count": 1000}]))]
pub struct Take {
    /// How many, at most.
    #[schemars(range(min = 1, max = 1000000000))]
    pub count: usize,
}

impl StageDefinition for Take {
    fn apply(&self, mut elements: Elements, _: Occasion<'_>) -> Elements {
        match &mut elements {
            Elements::Examples(examples) => examples.truncate(self.count),
            Elements::Batches(batches) => batches.truncate(self.count),
        }
        elements
    }
}
