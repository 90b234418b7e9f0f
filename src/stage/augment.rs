//! Random changes of each example, as tf.data's `map` with random operations.
//!
//! What is drawn hangs on the seed, the place of the stage and the augmentation, the epoch and the example. Examples are
//! changed one by one, so it doesn't matter whether they are batched yet. As in tf.data, a `cache` behind it keeps what the
//! first epoch drew.

use super::StageDefinition;
use crate::augment::Augmentation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes each training example at random, differently in every epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "augmentations", "examples" = [{"augmentations": [{"random_flip": "horizontal"}, {"random_rotation": 0.1}]}]))]
pub struct Augment {
    /// What is done, one behind the other.
    #[schemars(length(min = 1), extend("examples" = [[{"random_flip": "horizontal"}]]))]
    pub augmentations: Vec<Augmentation>,
}

impl StageDefinition for Augment {
    fn augmentations(&self) -> &[Augmentation] {
        &self.augmentations
    }
}
