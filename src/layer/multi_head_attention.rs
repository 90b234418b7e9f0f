//! Self-attention with several heads (Vaswani et al., 2017), as Keras' `MultiHeadAttention` on one row of tokens.
//!
//! Of each token, every head makes a query `q`, a key `k` and a value `v`; token `i` gets
//! `sum over j of softmax over j of (q_i k_j / sqrt(key_dim)) v_j`, and the heads' results are brought back to the features.
//! `[tokens, features]` keeps its shape.

use super::{
    Affine, Build, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Layout, Parameter, Pass, ShapeError,
    conv2d::{glorot_uniform, yes, zeros},
    dense::Product,
    dropout::Mask,
    elements,
    initializer::of_any_shape,
    token_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Lets each token look at all others and take from them what fits it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["MultiheadAttention", "Attention", "SelfAttention", "MHA"], "examples" = [{"num_heads": 2, "key_dim": 4}, {"num_heads": 3, "key_dim": 2, "value_dim": 5, "dropout": 0.1, "use_bias": false}]))]
pub struct MultiHeadAttention {
    /// How many heads there are.
    #[schemars(range(min = 1, max = 1024), extend("x-known-as" = ["heads", "nhead", "n_head"]))]
    pub num_heads: usize,
    /// How many numbers a query and a key have, in each head; mostly the features divided by the heads.
    #[schemars(range(min = 1, max = 65536), extend("x-known-as" = ["head_dim", "dim_head", "kdim"]))]
    pub key_dim: usize,
    /// How many numbers a value has, in each head; as many as a key where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize", range(min = 1, max = 65536), extend("x-default" = "`key_dim`", "x-known-as" = ["vdim"], "examples" = [32]))]
    pub value_dim: Option<usize>,
    /// The share of the weights between tokens that become zero while training.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1, "x-known-as" = ["attention_dropout", "attn_drop"]))]
    pub dropout: f64,
    /// Whether learned numbers are added to queries, keys, values and the output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias", "qkv_bias"]))]
    pub use_bias: bool,
    /// How the weights start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
    pub kernel_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl MultiHeadAttention {
    /// The numbers of all heads' keys, and of their values.
    fn widths(&self) -> (usize, usize) {
        let value_dim = self.value_dim.unwrap_or(self.key_dim);
        (self.num_heads.saturating_mul(self.key_dim), self.num_heads.saturating_mul(value_dim))
    }
}

impl LayerDefinition for MultiHeadAttention {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        token_shape(input, "multi_head_attention").map(|shape| shape.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let ((keys, values), features) = (self.widths(), input[1]);
        let (to, from) = (Layout::ToHeads(self.num_heads as i64), Layout::FromHeads(self.num_heads as i64));
        let products = [
            ("query_kernel", "query_bias", keys, features, to),
            ("key_kernel", "key_bias", keys, features, to),
            ("value_kernel", "value_bias", values, features, to),
            ("attention_output_kernel", "attention_output_bias", features, values, from),
        ];
        let parameter = |name, shape: &[usize], initializer, layout| {
            let shape = shape.iter().map(|&n| n as i64).collect();
            Parameter::new(name, shape, initializer).laid_out(layout).trainable(self.trainable)
        };
        let of = products.map(|(kernel, bias, outputs, inputs, layout)| {
            let kernel = parameter(kernel, &[outputs, inputs], self.kernel_initializer, layout);
            [Some(kernel), self.use_bias.then(|| parameter(bias, &[outputs], self.bias_initializer, layout))]
        });
        of.into_iter().flatten().flatten().collect()
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        let ((keys, values), tokens) = (self.widths(), input[0] as u64);
        let (keys, values, features) = (keys as u64, values as u64, input[1] as u64);
        let products = keys.saturating_add(values).saturating_mul(4).saturating_mul(features);
        let biases = keys.saturating_mul(2).saturating_add(values).saturating_add(features);
        let softmax = (self.num_heads as u64).saturating_mul(5);
        let between = keys.saturating_add(values).saturating_mul(2).saturating_add(softmax).saturating_mul(tokens);
        let each = products.saturating_add(if self.use_bias { biases } else { 0 }).saturating_add(between);
        each.saturating_mul(tokens)
    }

    /// Queries, keys, values, what the heads make of them, the weights between tokens, and the output.
    fn activation_bytes(&self, input: &[usize], output: &[usize]) -> u64 {
        let (keys, values) = self.widths();
        let vectors = elements(&[input[0], 2]).saturating_mul(keys.saturating_add(values) as u64);
        let weights = elements(&[self.num_heads, input[0], input[0]]);
        let masked = if self.dropout > 0.0 { weights.saturating_mul(2) } else { 0 };
        let numbers = vectors.saturating_add(weights).saturating_add(masked).saturating_add(elements(output));
        numbers.saturating_mul(FLOAT_BYTES)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut parameters = build.parameters.into_iter();
        let mut product = || {
            let weights = Affine::of(parameters.by_ref().take(if self.use_bias { 2 } else { 1 }).collect());
            Product { weights, precision: build.precision }
        };
        vec![Box::new(Attention {
            query: product(),
            key: product(),
            value: product(),
            output: product(),
            heads: self.num_heads as i64,
            scale: 1.0 / (self.key_dim as f64).sqrt(),
            dropout: Mask::new(self.dropout, build.name),
        })]
    }
}

/// Attention between the tokens of an example.
struct Attention {
    query: Product,
    key: Product,
    value: Product,
    output: Product,
    heads: i64,
    scale: f64,
    dropout: Mask,
}

impl Attention {
    /// `[batch, heads, tokens, numbers]` from `[batch, tokens, features]`.
    fn for_heads(&self, x: &Tensor, product: &Product, pass: &Pass) -> Result<Tensor, TchError> {
        let all = product.forward(x, pass)?;
        let [batch, tokens, numbers] = all.size()[..] else { return Ok(all) };
        all.f_view([batch, tokens, self.heads, numbers / self.heads])?.f_transpose(1, 2)
    }
}

impl Forward for Attention {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        let [query, key, value] = [&self.query, &self.key, &self.value].map(|product| self.for_heads(x, product, pass));
        let (query, key, value) = (query?.f_mul_scalar(self.scale)?, key?, value?);
        let scores = query.f_matmul(&key.f_transpose(2, 3)?)?;
        let weights = self.dropout.forward(&scores.f_softmax(-1, Kind::Float)?, pass)?;
        let attended = weights.f_to_kind(value.kind())?.f_matmul(&value)?.f_transpose(1, 2)?.f_flatten(2, 3)?;
        self.output.forward(&attended, pass)
    }
}
