//! The axes in another order, as Keras' `Permute`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, as_computed, as_stored, display_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Exchanges axes, such as height and width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["transpose"], "x-bare" = "dims", "examples" = [{"dims": [2, 1, 3]}]))]
pub struct Permute {
    /// Which axis of the input each axis of the output is, counted from 1: `[2, 1, 3]` exchanges height and width.
    #[schemars(length(min = 1, max = 3), inner(range(min = 1, max = 3)))]
    pub dims: Vec<usize>,
}

impl LayerDefinition for Permute {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let mut sorted = self.dims.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(1..=input.len()) {
            return Err(ShapeError::new(
                format!("{:?} isn't an order of the axes of {}", self.dims, display_shape(input)),
                format!("name each number from 1 to {} once", input.len()),
            )
            .or(input.to_vec()));
        }
        Ok(self.dims.iter().map(|&axis| input[axis - 1]).collect())
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        let axes = std::iter::once(0).chain(self.dims.iter().map(|&axis| axis as i64)).collect();
        vec![Box::new(Ordered(axes))]
    }
}

/// The order of the axes, the batch being axis 0.
struct Ordered(Vec<i64>);

impl Forward for Ordered {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        as_computed(&as_stored(x)?.f_permute(&self.0[..])?.f_contiguous()?)
    }
}
