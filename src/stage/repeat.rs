//! What came before, several times in one epoch, as tf.data's `repeat`.
//!
//! Each time is a pass of its own: a `shuffle` before it makes another order, an `augment` other changes. Epochs
//! themselves are `training.epochs`; a `repeat` makes them longer, so that validation and callbacks come less often.

use super::StageDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Passes everything before it several times in each epoch: epochs become longer, and validation rarer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "count", "examples" = [{"count": 2}]))]
pub struct Repeat {
    /// How many times.
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
}

impl StageDefinition for Repeat {
    fn repetitions(&self) -> u32 {
        self.count
    }
}
