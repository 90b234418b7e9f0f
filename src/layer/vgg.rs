//! VGG networks (Simonyan and Zisserman, 2014) of 11, 13, 16 and 19 layers with weights, as torchvision has them.

use super::{
    conv2d::yes,
    preset::{Made, Preset, classifier, normalized},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

fn units() -> usize {
    4096
}

fn half() -> f64 {
    0.5
}

/// A VGG network: convolutions of 3x3 and poolings in a row, then dense layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["VGG11", "VGG13", "VGG16", "VGG19", "vgg16"], "x-bare" = "depth", "examples" = [{"depth": 11, "classes": 10, "units": 16, "include_top": false}]))]
pub struct Vgg {
    /// How many layers with weights there are.
    #[schemars(extend("enum" = [11, 13, 16, 19], "x-known-as" = ["layers"]))]
    pub depth: usize,
    /// How many classes the network tells apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 1048576), extend("x-default" = "those of the source", "x-known-as" = ["num_classes", "n_classes"], "examples" = [10]))]
    pub classes: Option<usize>,
    /// Whether it ends in dense layers; else in images of many channels.
    #[serde(default = "yes")]
    pub include_top: bool,
    /// Whether a batch normalization follows on each convolution. Without, deep ones hardly train from the beginning.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["batch_norm", "bn"]))]
    pub batch_normalization: bool,
    /// The units of the two dense layers before the classes; for small images 512 are enough.
    #[serde(default = "units")]
    #[schemars(range(min = 1, max = 65536))]
    pub units: usize,
    /// The share of their values that become zero while training.
    #[serde(default = "half")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

/// The channels of the five rows of convolutions.
const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];

impl Preset for Vgg {
    fn layers(&self) -> Vec<Json> {
        let rows = match self.depth {
            11 => [1, 1, 2, 2, 2],
            13 => [2, 2, 2, 2, 2],
            16 => [2, 2, 3, 3, 3],
            _ => [2, 2, 4, 4, 4],
        };
        let mut layers = Vec::new();
        for (channels, convolutions) in CHANNELS.into_iter().zip(rows) {
            for _ in 0..convolutions {
                layers.extend(self.convolution(channels));
            }
            layers.push(json!({ "max_pooling2d": {} }));
        }
        if self.include_top {
            layers.push(json!({ "flatten": {} }));
            for _ in 0..2 {
                layers.push(json!({ "dense": { "units": self.units, "activation": "relu", "kernel_initializer": "he_normal" } }));
                layers.extend((self.dropout > 0.0).then(|| json!({ "dropout": { "rate": self.dropout } })));
            }
            layers.push(classifier(self.classes));
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

impl Vgg {
    fn convolution(&self, filters: usize) -> Vec<Json> {
        let activation = if self.batch_normalization { "linear" } else { "relu" };
        let convolution = json!({ "conv2d": {
            "filters": filters, "kernel_size": 3, "padding": "same", "activation": activation, "kernel_initializer": "he_normal",
        } });
        let behind = if self.batch_normalization { normalized(Some("relu")) } else { Vec::new() };
        [convolution].into_iter().chain(behind).collect()
    }
}
