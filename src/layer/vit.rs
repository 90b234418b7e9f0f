//! Vision transformers (Dosovitskiy et al., 2020) of the sizes of DeiT (Touvron et al., 2020), as timm has them.

use super::{
    Pair,
    conv2d::yes,
    preset::{Made, Preset, classifier},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

fn sixteen() -> Pair {
    Pair([16, 16])
}

/// How large a vision transformer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// ViT-Ti: 192 features, 3 heads, 12 blocks.
    Tiny,
    /// ViT-S: 384 features, 6 heads, 12 blocks.
    Small,
}

/// A vision transformer: images become rows of tokens, which look at each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["VisionTransformer", "ViT"], "x-bare" = "size", "examples" = [{"size": "tiny", "patch_size": [3, 4], "depth": 1, "classes": 10}]))]
pub struct Vit {
    /// How many features and heads there are.
    #[schemars(extend("x-known-as" = ["variant", "model"]))]
    pub size: Size,
    /// Height and width of a patch, which becomes a token; for images of 32x32 mostly 4.
    #[serde(default = "sixteen")]
    pub patch_size: Pair,
    /// How many blocks there are.
    #[serde(default = "twelve")]
    #[schemars(range(min = 1, max = 100), extend("x-known-as" = ["num_layers"]))]
    pub depth: usize,
    /// How many classes the network tells apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 1048576), extend("x-default" = "those of the source", "x-known-as" = ["num_classes", "n_classes"], "examples" = [10]))]
    pub classes: Option<usize>,
    /// Whether it ends in a `dense` for the classes; else in the tokens, normalized.
    #[serde(default = "yes")]
    pub include_top: bool,
    /// The share of values that become zero while training, behind the positions, the attention and each dense layer.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// The share of examples that the last block is left out for while training; it grows from 0 with every block.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1, "x-known-as" = ["drop_path", "drop_path_rate"]))]
    pub stochastic_depth: f64,
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

fn twelve() -> usize {
    12
}

impl Preset for Vit {
    fn layers(&self) -> Vec<Json> {
        let (embed_dim, num_heads) = match self.size {
            Size::Tiny => (192, 3),
            Size::Small => (384, 6),
        };
        let small = json!({ "truncated_normal": { "stddev": 0.02 } });
        let mut layers = vec![
            json!({ "patch_embedding": { "patch_size": self.patch_size, "embed_dim": embed_dim } }),
            json!({ "class_token": { "initializer": small } }),
            json!({ "position_embedding": { "initializer": small } }),
        ];
        layers.extend((self.dropout > 0.0).then(|| json!({ "dropout": { "rate": self.dropout } })));
        let steps = (self.depth - 1).max(1) as f64;
        for block in 0..self.depth {
            layers.push(json!({ "transformer_block": {
                "embed_dim": embed_dim,
                "num_heads": num_heads,
                "dropout": self.dropout,
                "stochastic_depth": self.stochastic_depth * block as f64 / steps,
            } }));
        }
        layers.push(json!({ "layer_normalization": { "epsilon": 1e-6 } }));
        if self.include_top {
            layers.extend([json!({ "first_token": {} }), classifier(self.classes)]);
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
