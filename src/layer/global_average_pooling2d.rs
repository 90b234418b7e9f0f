//! The mean of each channel, as Keras' `GlobalAveragePooling2D`: `[height, width, channels]` becomes `[channels]`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, elements, image_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Takes the mean of each channel over the whole image, which makes a vector of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["AdaptiveAvgPool2d", "GlobalAvgPool2d", "gap"], "examples" = [{}, {"keepdims": true}]))]
pub struct GlobalAveragePooling2d {
    /// Whether height and width stay, as 1: `[1, 1, channels]`.
    #[schemars(extend("x-known-as" = ["keepdim"]))]
    pub keepdims: bool,
}

impl LayerDefinition for GlobalAveragePooling2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [.., channels] = image_shape(input, "global_average_pooling2d")?;
        Ok(if self.keepdims { vec![1, 1, channels] } else { vec![channels] })
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

impl Forward for GlobalAveragePooling2d {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_mean_dim([2i64, 3].as_slice(), self.keepdims, Kind::Float)
    }
}
