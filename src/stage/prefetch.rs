//! Makes batches ready while the model works on earlier ones, as tf.data's `prefetch`.

use super::{Elements, Occasion, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is read ahead where the pipeline doesn't say: enough to hide the wavering of decoding times.
const AUTOMATIC: usize = 4;

/// Makes batches ready ahead of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "buffer_size", "examples" = [{}, {"buffer_size": 2}]))]
pub struct Prefetch {
    /// How many batches; chosen by the program where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub buffer_size: Option<usize>,
}

impl StageDefinition for Prefetch {
    fn apply(&self, elements: Elements, _: Occasion<'_>) -> Elements {
        elements
    }

    fn read_ahead(&self) -> Option<usize> {
        Some(self.buffer_size.unwrap_or(AUTOMATIC))
    }
}
