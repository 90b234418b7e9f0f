//! The first of a row of tokens: `[tokens, features]` becomes `[features]`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, token_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Hands on the first token only, mostly the one that `class_token` put there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct FirstToken {}

impl LayerDefinition for FirstToken {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [_, features] = token_shape(input, "first_token")?;
        Ok(vec![features])
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    /// A view of what came in.
    fn activation_bytes(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(self.clone())]
    }
}

impl Forward for FirstToken {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_select(1, 0)
    }
}
