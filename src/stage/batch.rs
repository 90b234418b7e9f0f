//! Puts examples together into batches, as tf.data's `batch`.

use super::{Elements, Occasion, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts examples together; each batch is one step of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "batch_size", "examples" = [{"batch_size": 256}]))]
pub struct Batch {
    /// Examples in a batch.
    #[schemars(range(min = 1, max = 1048576))]
    pub batch_size: usize,
    /// Whether a last batch that isn't full is left out.
    #[serde(default)]
    pub drop_remainder: bool,
}

impl StageDefinition for Batch {
    fn apply(&self, elements: Elements, _: Occasion<'_>) -> Elements {
        match elements {
            Elements::Examples(examples) => Elements::Batches(
                examples
                    .chunks(self.batch_size)
                    .filter(|batch| !self.drop_remainder || batch.len() == self.batch_size)
                    .map(<[_]>::to_vec)
                    .collect(),
            ),
            // The check refuses a second `batch`.
            batches => batches,
        }
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.batch_size)
    }
}
