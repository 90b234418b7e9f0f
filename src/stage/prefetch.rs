//! Makes batches ready while the model works on earlier ones, as tf.data's `prefetch`.

use super::{ReadAhead, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes batches ready ahead of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "buffer_size", "examples" = [{}, {"buffer_size": 2}]))]
pub struct Prefetch {
    /// How many batches. Where it isn't given, few at first, and more each time the model had to wait although the
    /// batches before had come early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub buffer_size: Option<usize>,
}

impl StageDefinition for Prefetch {
    fn read_ahead(&self) -> Option<ReadAhead> {
        Some(self.buffer_size.map_or(ReadAhead::Automatic, ReadAhead::Fixed))
    }
}
