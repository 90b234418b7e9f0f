//! EfficientNet-B0 (Tan and Le, 2019), as torchvision has it: MobileNetV2's blocks with squeeze and excitation.

use super::{
    Stem,
    conv2d::yes,
    preset::{Made, Preset, convolution, depthwise_convolution, normalized, pooled_head},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

fn fifth() -> f64 {
    0.2
}

/// EfficientNet-B0: a network that was found by a search for accuracy at little computation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["EfficientNet", "EfficientNetB0"], "x-bare" = "classes", "examples" = [{"classes": 10, "stem": "cifar"}]))]
pub struct EfficientnetB0 {
    /// How many classes the network tells apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 1048576), extend("x-default" = "those of the source", "x-known-as" = ["num_classes", "n_classes"], "examples" = [10]))]
    pub classes: Option<usize>,
    /// Whether it ends in the mean over all places and a `dense` for the classes; else in images of many channels.
    #[serde(default = "yes")]
    pub include_top: bool,
    /// How it begins: `cifar` keeps the size of small images, where `imagenet` makes a quarter of it.
    #[serde(default)]
    pub stem: Stem,
    /// The share of the values before the classes that become zero while training.
    #[serde(default = "fifth")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// The share of examples that the last block is left out for while training; it grows from 0 with every block.
    #[serde(default = "fifth")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1, "x-known-as" = ["stochastic_depth_prob", "drop_connect_rate"]))]
    pub stochastic_depth: f64,
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

/// Of each stage: how much wider its blocks are within, the size of their windows, its channels, its blocks and the strides of the
/// first one.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
];

impl Preset for EfficientnetB0 {
    fn layers(&self) -> Vec<Json> {
        let silu = || normalized(Some("silu"));
        let is_small = self.stem == Stem::Cifar;
        let (mut channels, mut before) = (32, 0);
        let count: usize = STAGES.iter().map(|(.., blocks, _)| blocks).sum();
        let mut layers = [convolution(channels, 3, if is_small { 1 } else { 2 }), silu()].concat();
        for (stage, (expansion, window, outer, blocks, strides)) in STAGES.into_iter().enumerate() {
            for block in 0..blocks {
                let strides = if block > 0 || (is_small && stage == 1) { 1 } else { strides };
                let wide = channels * expansion;
                let mut row = if expansion > 1 { [convolution(wide, 1, 1), silu()].concat() } else { Vec::new() };
                row.extend([depthwise_convolution(window, strides), silu()].concat());
                row.push(json!({ "squeeze_excite": { "units": channels / 4, "activation": "silu" } }));
                row.extend([convolution(outer, 1, 1), normalized(None)].concat());
                if strides == 1 && channels == outer {
                    let rate = self.stochastic_depth * before as f64 / count as f64;
                    row.extend((rate > 0.0).then(|| json!({ "stochastic_depth": { "rate": rate } })));
                    row = vec![json!({ "residual": { "layers": row } })];
                }
                layers.extend(row);
                (channels, before) = (outer, before + 1);
            }
        }
        layers.extend([convolution(4 * channels, 1, 1), silu()].concat());
        if self.include_top {
            layers.extend(pooled_head(self.dropout, self.classes));
        }
        layers
    }

    fn trainable(&self) -> bool {
        self.trainable
    }

    fn made(&self) -> &Made {
        &self.made
    }
}
