//! The maximum of each channel, as Keras' `GlobalMaxPooling2D`: `[height, width, channels]` becomes `[channels]`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, elements, image_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Takes the maximum of each channel over the whole image, which makes a vector of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["AdaptiveMaxPool2d", "GlobalMaxPool2d"], "examples" = [{}, {"keepdims": true}]))]
pub struct GlobalMaxPooling2d {
    /// Whether height and width stay, as 1: `[1, 1, channels]`.
    #[schemars(extend("x-known-as" = ["keepdim"]))]
    pub keepdims: bool,
}

impl LayerDefinition for GlobalMaxPooling2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [.., channels] = image_shape(input, "global_max_pooling2d")?;
        Ok(if self.keepdims { vec![1, 1, channels] } else { vec![channels] })
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input)
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(self.clone())]
    }
}

impl Forward for GlobalMaxPooling2d {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_amax([2i64, 3].as_slice(), self.keepdims)
    }
}
