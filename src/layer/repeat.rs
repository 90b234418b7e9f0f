//! The same row of layers several times.

use super::{
    ActivationFunction, Block, Layer, LayerDefinition, ShapeError, Structure, last_activation, structure,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts a row of layers so many times one behind the other, each time with weights of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [
    {"times": 3, "layers": [{"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same", "activation": "relu"}}]}
]))]
pub struct Repeat {
    /// How many times.
    #[schemars(range(min = 1, max = 1000))]
    pub times: usize,
    /// The layers.
    #[schemars(length(min = 1))]
    pub layers: Vec<Layer>,
}

impl LayerDefinition for Repeat {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        structure::output_shape(self, input)
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn activation_bytes(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn structure(&self) -> Structure<'_> {
        Structure::Repeat(self.times, Block { key: "layers", index: None, layers: &self.layers })
    }

    fn activation(&self) -> ActivationFunction {
        last_activation(&self.layers)
    }
}
