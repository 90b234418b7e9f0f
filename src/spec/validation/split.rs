//! Validation on a share of the training data.

use super::ValidationDefinition;
use crate::{random::Purpose, source::stratified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of the training data, the same share of every class, that is not trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "share", "examples" = [{"share": 0.1}]))]
pub struct Split {
    /// The share, between 0 and 1.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub share: f64,
    /// Decides which examples. It is not the pipeline's seed, so that runs with other seeds validate on the same ones.
    #[serde(default)]
    #[schemars(range(max = 9007199254740991u64))]
    pub seed: u64,
}

impl ValidationDefinition for Split {
    fn share(&self) -> Option<f64> {
        Some(self.share)
    }

    fn divide(&self, labels: &[u32]) -> Option<(Vec<usize>, Vec<usize>)> {
        Some(stratified(labels, self.share, &Purpose::new(self.seed, "validation split")))
    }
}
