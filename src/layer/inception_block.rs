//! A block of Inception (Szegedy et al., 2014): windows of several sizes side by side, with narrow convolutions before the wide ones.

use super::{
    conv2d::yes,
    preset::{Made, Preset, normalized},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Looks at images through windows of 1x1, 3x3 and 5x5 and at their maxima, and puts all channels one behind the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["InceptionBlock", "InceptionModule", "GoogLeNet", "Inception"], "examples" = [{"filters_1x1": 4, "filters_3x3": [2, 6], "filters_5x5": [2, 4], "filters_pool": 2}]))]
pub struct InceptionBlock {
    /// The filters of 1x1.
    #[schemars(range(min = 1, max = 65536))]
    pub filters_1x1: usize,
    /// The filters of 1x1 that make it narrow, and those of 3x3 behind them.
    #[schemars(inner(range(min = 1, max = 65536)))]
    pub filters_3x3: [usize; 2],
    /// The filters of 1x1 that make it narrow, and those of 5x5 behind them.
    #[schemars(inner(range(min = 1, max = 65536)))]
    pub filters_5x5: [usize; 2],
    /// The filters of 1x1 behind the maxima.
    #[schemars(range(min = 1, max = 65536))]
    pub filters_pool: usize,
    /// Whether a batch normalization follows on each convolution.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["batch_norm", "bn"]))]
    pub batch_normalization: bool,
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

impl Preset for InceptionBlock {
    fn layers(&self) -> Vec<Json> {
        let row = |sizes: &[(usize, usize)]| -> Vec<Json> {
            sizes.iter().flat_map(|&(filters, size)| self.convolution(filters, size)).collect()
        };
        let pooling = json!({ "max_pooling2d": { "pool_size": 3, "strides": 1, "padding": "same" } });
        let pooled = [vec![pooling], row(&[(self.filters_pool, 1)])].concat();
        let ([narrow_3x3, wide_3x3], [narrow_5x5, wide_5x5]) = (self.filters_3x3, self.filters_5x5);
        let branches = [
            row(&[(self.filters_1x1, 1)]),
            row(&[(narrow_3x3, 1), (wide_3x3, 3)]),
            row(&[(narrow_5x5, 1), (wide_5x5, 5)]),
            pooled,
        ];
        vec![json!({ "branches": { "branches": branches } })]
    }

    fn trainable(&self) -> bool {
        self.trainable
    }

    fn made(&self) -> &Made {
        &self.made
    }
}

impl InceptionBlock {
    fn convolution(&self, filters: usize, kernel_size: usize) -> Vec<Json> {
        let normalize = self.batch_normalization;
        let convolution = json!({ "conv2d": {
            "filters": filters,
            "kernel_size": kernel_size,
            "padding": "same",
            "use_bias": !normalize,
            "activation": if normalize { "linear" } else { "relu" },
            "kernel_initializer": "he_normal",
        } });
        [convolution].into_iter().chain(normalize.then(|| normalized(Some("relu"))).into_iter().flatten()).collect()
    }
}
