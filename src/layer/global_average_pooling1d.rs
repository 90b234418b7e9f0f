//! The mean over all tokens, as Keras' `GlobalAveragePooling1D`: `[tokens, features]` becomes `[features]`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, elements, token_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Takes the mean of each feature over all tokens, which makes a vector of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["GlobalAvgPool1d", "AdaptiveAvgPool1d"], "examples" = [{}, {"keepdims": true}]))]
pub struct GlobalAveragePooling1d {
    /// Whether the axis of the tokens stays, as 1: `[1, features]`.
    #[schemars(extend("x-known-as" = ["keepdim"]))]
    pub keepdims: bool,
}

impl LayerDefinition for GlobalAveragePooling1d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [_, features] = token_shape(input, "global_average_pooling1d")?;
        Ok(if self.keepdims { vec![1, features] } else { vec![features] })
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(self.clone())]
    }
}

impl Forward for GlobalAveragePooling1d {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_mean_dim([1i64].as_slice(), self.keepdims, Kind::Float)
    }
}
