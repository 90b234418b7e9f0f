//! Residual networks (He et al., 2015): of 18, 34 and 50 layers as torchvision has them, of 20, 32 and 56 as for CIFAR.
//!
//! Where the shape changes, the way around a block is a convolution of 1x1 with batch normalization (option B of the paper),
//! in the networks for CIFAR too: ResNet-20 has 272,474 trained parameters for 10 classes, with the parameter-free option A
//! it would have 269,722.

use super::{
    Stem,
    conv2d::yes,
    preset::{Made, Preset, convolution, normalized, pooled_head},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// A residual network: blocks of convolutions that each add to what they get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["ResNet18", "ResNet34", "ResNet50", "resnet18", "resnet50"], "x-bare" = "depth", "examples" = [{"depth": 20, "classes": 10}, {"depth": 18, "classes": 10, "stem": "cifar", "include_top": false}]))]
pub struct Resnet {
    /// How many layers with weights there are: 18, 34 and 50 for large images, 20, 32 and 56, which are narrow, for small ones.
    #[schemars(extend("enum" = [18, 20, 32, 34, 50, 56], "x-known-as" = ["layers", "n"]))]
    pub depth: usize,
    /// How many classes the network tells apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 1048576), extend("x-default" = "those of the source", "x-known-as" = ["num_classes", "n_classes"], "examples" = [10]))]
    pub classes: Option<usize>,
    /// Whether it ends in the mean over all places and a `dense` for the classes; else in images of many channels.
    #[serde(default = "yes")]
    pub include_top: bool,
    /// How it begins: `cifar` keeps the size of small images, where `imagenet` makes a quarter of it. Those of 20, 32 and 56
    /// layers always begin as for CIFAR.
    #[serde(default)]
    pub stem: Stem,
    /// The channels of the first blocks; 16 where there are 20, 32 or 56 layers, else 64. Each stage has twice those of the one
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 1024), extend("x-default" = "16 or 64, by `depth`", "x-known-as" = ["base_width", "width_per_group"], "examples" = [16]))]
    pub width: Option<usize>,
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

/// The channels that leave a block with a bottleneck, for each within it.
const EXPANSION: usize = 4;

impl Preset for Resnet {
    fn layers(&self) -> Vec<Json> {
        let is_small = matches!(self.depth, 20 | 32 | 56);
        let stages: Vec<usize> = match self.depth {
            18 => vec![2, 2, 2, 2],
            34 | 50 => vec![3, 4, 6, 3],
            depth => vec![(depth - 2) / 6; 3],
        };
        let width = self.width.unwrap_or(if is_small { 16 } else { 64 });
        let mut layers = match (is_small, self.stem) {
            (false, Stem::Imagenet) => convolution(width, 7, 2),
            _ => convolution(width, 3, 1),
        };
        layers.extend(normalized(Some("relu")));
        if !is_small && self.stem == Stem::Imagenet {
            // Behind a ReLU, zeros are never the only maximum.
            layers.push(json!({ "zero_padding2d": { "padding": 1 } }));
            layers.push(json!({ "max_pooling2d": { "pool_size": 3, "strides": 2 } }));
        }
        let mut channels = width;
        for (stage, blocks) in stages.into_iter().enumerate() {
            for block in 0..blocks {
                let strides = if stage > 0 && block == 0 { 2 } else { 1 };
                let inner = width << stage;
                let outer = if self.depth == 50 { EXPANSION * inner } else { inner };
                layers.extend(residual(inner, outer, strides, outer != channels));
                channels = outer;
            }
        }
        if self.include_top {
            layers.extend(pooled_head(0.0, self.classes));
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

/// A block of two convolutions, or of three where its ends are wider than its middle.
fn residual(inner: usize, outer: usize, strides: usize, changes_shape: bool) -> [Json; 2] {
    let relu = || normalized(Some("relu"));
    let layers = if outer > inner {
        let middle = [convolution(inner, 1, 1), relu(), convolution(inner, 3, strides), relu()].concat();
        [middle, convolution(outer, 1, 1), normalized(None)].concat()
    } else {
        [convolution(inner, 3, strides), relu(), convolution(outer, 3, 1), normalized(None)].concat()
    };
    let around = if changes_shape { [convolution(outer, 1, strides), normalized(None)].concat() } else { Vec::new() };
    [json!({ "residual": { "layers": layers, "shortcut": around } }), json!({ "activation": { "function": "relu" } })]
}
