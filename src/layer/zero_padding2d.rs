//! Zeros around images, as Keras' `ZeroPadding2D`.

use super::{Border, Build, Forward, LayerDefinition, Pass, ShapeError, image_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

fn one() -> Border {
    Border::all(1)
}

/// Puts rows and columns of zeros around images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["ZeroPad2d", "pad"], "x-bare" = "padding", "examples" = [{}, {"padding": [[0, 1], [0, 1]]}]))]
pub struct ZeroPadding2d {
    /// How many: one number for all sides, `[vertical, horizontal]`, or `[[top, bottom], [left, right]]`.
    #[serde(default = "one")]
    pub padding: Border,
}

impl LayerDefinition for ZeroPadding2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [height, width, channels] = image_shape(input, "zero_padding2d")?;
        let Border([[top, bottom], [left, right]]) = self.padding;
        let sum = |parts: [usize; 3]| parts.into_iter().fold(0, usize::saturating_add);
        Ok(vec![sum([top, height, bottom]), sum([left, width, right]), channels])
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(self.clone())]
    }
}

impl Forward for ZeroPadding2d {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_constant_pad_nd(self.padding.amounts())
    }
}
