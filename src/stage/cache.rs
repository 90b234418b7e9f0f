//! Keeps what the first epoch brought, as tf.data's `cache`.

use super::{Elements, Occasion, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps decoded examples in memory from the first epoch on; their order is kept with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Cache {}

impl StageDefinition for Cache {
    fn apply(&self, elements: Elements, _: Occasion<'_>) -> Elements {
        elements
    }

    fn freezes_order(&self) -> bool {
        true
    }

    fn keeps_examples(&self) -> bool {
        true
    }
}
