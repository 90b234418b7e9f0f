//! `y = x + embeddings`: a learned vector for each place of a row of tokens, as KerasHub's `PositionEmbedding`.
//!
//! `[tokens, features]` keeps its shape.

use super::{
    Build, Forward, Initializer, LayerDefinition, Layout, Parameter, Pass, ShapeError,
    conv2d::{glorot_uniform, yes},
    elements,
    initializer::of_any_shape,
    token_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Adds to each token what its place in the row has learned, since attention itself doesn't heed the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["pos_embed", "pos_embedding", "positional_encoding"], "examples" = [{}]))]
pub struct PositionEmbedding {
    /// How the vectors start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape", extend("x-known-as" = ["embeddings_initializer"]))]
    pub initializer: Initializer,
    /// Whether training changes the vectors.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for PositionEmbedding {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        token_shape(input, "position_embedding").map(|shape| shape.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let shape = input.iter().map(|&n| n as i64).collect();
        let embeddings = Parameter::new("embeddings", shape, self.initializer).laid_out(Layout::Same);
        vec![embeddings.trainable(self.trainable)]
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(Add(build.parameters.into_iter().next().expect("the vectors are declared")))]
    }
}

/// Adds the same to every example.
struct Add(Tensor);

impl Forward for Add {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_add(&self.0.f_to_kind(x.kind())?)
    }
}
