//! MobileNetV2 (Sandler et al., 2018), as torchvision has it: residual blocks that are narrow at their ends and wide between.

use super::{
    Stem,
    conv2d::yes,
    preset::{Made, Preset, convolution, depthwise_convolution, normalized, pooled_head, round_channels},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

fn one() -> f64 {
    1.0
}

fn fifth() -> f64 {
    0.2
}

/// MobileNetV2: a small network that computes little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["MobileNet", "MobileNetV2"], "x-bare" = "alpha", "examples" = [{"alpha": 0.35, "classes": 10, "stem": "cifar"}]))]
pub struct MobilenetV2 {
    /// What the number of channels is multiplied by.
    #[serde(default = "one")]
    #[schemars(range(min = 0.1, max = 4), extend("x-known-as" = ["width_mult", "width"]))]
    pub alpha: f64,
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
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

/// Of each stage: how much wider its blocks are within, its channels, its blocks and the strides of the first one.
const STAGES: [(usize, f64, usize, usize); 7] = [
    (1, 16.0, 1, 1),
    (6, 24.0, 2, 2),
    (6, 32.0, 3, 2),
    (6, 64.0, 4, 2),
    (6, 96.0, 3, 1),
    (6, 160.0, 3, 2),
    (6, 320.0, 1, 1),
];

impl Preset for MobilenetV2 {
    fn layers(&self) -> Vec<Json> {
        let relu6 = || normalized(Some("relu6"));
        let is_small = self.stem == Stem::Cifar;
        let mut channels = round_channels(32.0 * self.alpha);
        let mut layers = [convolution(channels, 3, if is_small { 1 } else { 2 }), relu6()].concat();
        for (stage, (expansion, outer, blocks, strides)) in STAGES.into_iter().enumerate() {
            for block in 0..blocks {
                let strides = if block > 0 || (is_small && stage == 1) { 1 } else { strides };
                let outer = round_channels(outer * self.alpha);
                let wide = channels * expansion;
                let mut row = if expansion > 1 { [convolution(wide, 1, 1), relu6()].concat() } else { Vec::new() };
                row.extend(
                    [depthwise_convolution(3, strides), relu6(), convolution(outer, 1, 1), normalized(None)].concat(),
                );
                if strides == 1 && channels == outer {
                    row = vec![json!({ "residual": { "layers": row } })];
                }
                layers.extend(row);
                channels = outer;
            }
        }
        layers.extend([convolution(round_channels(1280.0 * self.alpha.max(1.0)), 1, 1), relu6()].concat());
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
