//! The inner part of images, as Keras' `Cropping2D`.

use super::{Border, Build, Forward, LayerDefinition, Pass, ShapeError, display_shape, image_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Takes rows and columns away at the border of images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["crop", "CenterCrop"], "x-bare" = "cropping", "examples" = [{"cropping": 2}, {"cropping": [[0, 1], [2, 0]]}]))]
pub struct Cropping2d {
    /// How many: one number for all sides, `[vertical, horizontal]`, or `[[top, bottom], [left, right]]`.
    pub cropping: Border,
}

impl LayerDefinition for Cropping2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [height, width, channels] = image_shape(input, "cropping2d")?;
        let Border([[top, bottom], [left, right]]) = self.cropping;
        let rows = height.saturating_sub(top).saturating_sub(bottom);
        let columns = width.saturating_sub(left).saturating_sub(right);
        if rows == 0 || columns == 0 {
            return Err(ShapeError::new(
                format!("nothing is left of {}", display_shape(input)),
                "take away less, or remove a pooling before it",
            )
            .or(vec![rows.max(1), columns.max(1), channels]));
        }
        Ok(vec![rows, columns, channels])
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

impl Forward for Cropping2d {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_constant_pad_nd(self.cropping.amounts().map(|amount| -amount))
    }
}
