//! Rows of layers side by side, as in Inception (Szegedy et al., 2014) and DenseNet (Huang et al., 2016).

use super::{
    ActivationFunction, Block, Layer, LayerDefinition, Merge, ShapeError, Structure, last_activation, structure,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives the same input to several rows of layers and merges what they make of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Concatenate", "Parallel"], "x-bare" = "branches", "examples" = [
    {"branches": [
        [{"conv2d": {"filters": 8, "kernel_size": 1}}],
        [{"conv2d": {"filters": 4, "kernel_size": 1}}, {"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same"}}]
    ]},
    {"merge": "maximum", "branches": [[], [{"conv2d": {"filters": 3, "kernel_size": 3, "padding": "same"}}]]}
]))]
pub struct Branches {
    /// How the outputs become one; all but `concatenate` need equal shapes.
    #[serde(default)]
    pub merge: Merge,
    /// The rows of layers; an empty one hands on the input.
    #[schemars(length(min = 2, max = 64))]
    pub branches: Vec<Vec<Layer>>,
}

impl LayerDefinition for Branches {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        structure::output_shape(self, input)
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        self.merge.flops(output, self.branches.len())
    }

    fn structure(&self) -> Structure<'_> {
        let rows = self.branches.iter().enumerate();
        let blocks = rows.map(|(index, layers)| Block { key: "branches", index: Some(index), layers });
        Structure::Parallel(blocks.collect(), self.merge)
    }

    /// The mean of probabilities is one again: several classifiers that vote.
    fn activation(&self) -> ActivationFunction {
        let mut activations = self.branches.iter().map(|layers| last_activation(layers.as_slice()));
        match activations.next() {
            Some(first) if self.merge == Merge::Average && activations.all(|other| other == first) => first,
            _ => ActivationFunction::Linear,
        }
    }
}
