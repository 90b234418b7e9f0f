//! An activation function as a layer of its own.

use super::{ActivationFunction, Build, Forward, LayerDefinition, ShapeError, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Applies a function to every value; the same as the `activation` argument of the layer before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "function", "examples" = [{"function": "relu"}]))]
pub struct Activation {
    /// Which function.
    pub function: ActivationFunction,
}

impl LayerDefinition for Activation {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        self.function.operation().into_iter().collect()
    }

    fn activation(&self) -> ActivationFunction {
        self.function
    }
}
