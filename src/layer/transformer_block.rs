//! A block of a transformer (Vaswani et al., 2017) that normalizes first, as vision transformers do (Dosovitskiy et al., 2020):
//! `y = x + attention(normalize(x))`, then `z = y + mlp(normalize(y))`.

use super::{
    ActivationFunction,
    conv2d::yes,
    preset::{Made, Preset},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

fn four() -> f64 {
    4.0
}

fn gelu() -> ActivationFunction {
    ActivationFunction::Gelu
}

fn epsilon() -> f64 {
    1e-6
}

/// Lets tokens look at each other, then changes each on its own by two dense layers; both only add to what comes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["TransformerEncoderLayer", "TransformerEncoder", "EncoderBlock"], "examples" = [{"embed_dim": 16, "num_heads": 2}, {"embed_dim": 16, "num_heads": 4, "mlp_dim": 24, "dropout": 0.1, "stochastic_depth": 0.1}]))]
pub struct TransformerBlock {
    /// How many features the tokens have.
    #[schemars(range(min = 1, max = 65536), extend("x-known-as" = ["d_model", "hidden_dim", "hidden_size", "key_dim"]))]
    pub embed_dim: usize,
    /// How many heads the attention has; each has an equal part of the features, rounded down.
    #[schemars(range(min = 1, max = 1024), extend("x-known-as" = ["heads", "nhead", "n_head"]))]
    pub num_heads: usize,
    /// The units of the first dense layer, for each feature.
    #[serde(default = "four")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 64))]
    pub mlp_ratio: f64,
    /// The same as a number of units; then `mlp_ratio` doesn't count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 1048576), extend("x-default" = "by `mlp_ratio`", "x-known-as" = ["dim_feedforward", "intermediate_dim", "intermediate_size"], "examples" = [512]))]
    pub mlp_dim: Option<usize>,
    /// The function behind the first dense layer.
    #[serde(default = "gelu")]
    pub activation: ActivationFunction,
    /// The share of values that become zero while training, behind the attention and behind each dense layer.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// The share of the attention's weights between tokens that become zero while training.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1, "x-known-as" = ["attn_drop"]))]
    pub attention_dropout: f64,
    /// The share of examples that attention, and the dense layers, are left out for while training.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1, "x-known-as" = ["drop_path", "drop_path_rate"]))]
    pub stochastic_depth: f64,
    /// Of both normalizations: what is added to the variance.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0, "x-known-as" = ["eps", "layer_norm_eps"]))]
    pub epsilon: f64,
    /// Whether training changes its weights.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
    #[serde(skip)]
    made: Made,
}

impl Preset for TransformerBlock {
    fn layers(&self) -> Vec<Json> {
        let normalization = || json!({ "layer_normalization": { "epsilon": self.epsilon } });
        let dropout = || (self.dropout > 0.0).then(|| json!({ "dropout": { "rate": self.dropout } }));
        let residual = |layers: Vec<Json>| {
            let rate = self.stochastic_depth;
            let depth = (rate > 0.0).then(|| json!({ "stochastic_depth": { "rate": rate } }));
            json!({ "residual": { "layers": layers.into_iter().chain(depth).collect::<Vec<_>>() } })
        };
        let attention = json!({ "multi_head_attention": {
            "num_heads": self.num_heads,
            "key_dim": (self.embed_dim / self.num_heads).max(1),
            "dropout": self.attention_dropout,
        } });
        let units = self.mlp_dim.unwrap_or(((self.embed_dim as f64 * self.mlp_ratio) as usize).max(1));
        let mut mlp = vec![normalization(), json!({ "dense": { "units": units, "activation": self.activation } })];
        mlp.extend(dropout());
        mlp.push(json!({ "dense": { "units": self.embed_dim } }));
        mlp.extend(dropout());
        let attention = [normalization(), attention].into_iter().chain(dropout());
        vec![residual(attention.collect()), residual(mlp)]
    }

    fn trainable(&self) -> bool {
        self.trainable
    }

    fn made(&self) -> &Made {
        &self.made
    }
}
