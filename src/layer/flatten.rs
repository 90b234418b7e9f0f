//! `[height, width, channels]` to `[height * width * channels]`, in that order, as Keras' `Flatten`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Turns images into vectors, row by row, pixel by pixel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Flatten {}

impl LayerDefinition for Flatten {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(vec![usize::try_from(elements(input)).unwrap_or(usize::MAX)])
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    /// A view of what came in.
    fn activation_bytes(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(self.clone())]
    }
}

impl Forward for Flatten {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let size = x.size();
        let values: i64 = size[1..].iter().product();
        match size.len() {
            4 => x.f_permute([0, 2, 3, 1])?.f_reshape([size[0], values]),
            _ => x.f_reshape([size[0], values]),
        }
    }
}
