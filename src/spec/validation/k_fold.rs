//! Validation on one of several equal parts of the training data.

use super::ValidationDefinition;
use crate::source::fold;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of several equal parts of the training data, the same share of every class; the others are trained on. A run for
/// each `index` validates on every example once: `--set dataset.validation.k_fold.index=1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["KFold", "StratifiedKFold", "cross_validation"], "examples" = [{"folds": 5, "index": 0}]))]
pub struct KFold {
    /// How many parts.
    #[schemars(range(min = 2, max = 1000))]
    pub folds: usize,
    /// Which part is validated on, from 0 to one less than `folds`.
    #[schemars(range(max = 999))]
    pub index: usize,
    /// Decides which examples. It is not the pipeline's seed, so that runs with other seeds validate on the same ones.
    #[serde(default)]
    #[schemars(range(max = 9007199254740991u64))]
    pub seed: u64,
}

impl ValidationDefinition for KFold {
    fn share(&self) -> Option<f64> {
        Some(1.0 / self.folds as f64)
    }

    fn divide(&self, labels: &[u32]) -> Option<(Vec<usize>, Vec<usize>)> {
        Some(fold(labels, self.folds, self.index, self.seed))
    }
}
