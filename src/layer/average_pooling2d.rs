//! The mean of each window of each channel, as Keras' `AveragePooling2D`; what is padded doesn't count.
//!
//! `[height, width, channels]` becomes `[height', width', channels]`.

use super::{
    Build, Forward, LayerDefinition, Padding, Pair, Pass, ShapeError, elements, image_shape,
    max_pooling2d::{TOO_SMALL, two}, window::{Pooling, Sliding},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Takes the mean of each window, which makes images smaller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["AvgPool2d", "AvgPool"], "x-bare" = "pool_size", "examples" = [{}, {"pool_size": 3, "strides": 2, "padding": "same"}]))]
pub struct AveragePooling2d {
    /// Height and width of the windows: one number for both, or `[height, width]`.
    #[serde(default = "two")]
    #[schemars(extend("x-known-as" = ["kernel_size"]))]
    pub pool_size: Pair,
    /// The distance between windows; as large as the windows where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-known-as" = ["stride"]))]
    pub strides: Option<Pair>,
    /// `valid` leaves out what doesn't fill a window; `same` pads, and the padding doesn't count.
    #[serde(default)]
    pub padding: Padding,
}

impl AveragePooling2d {
    fn sliding(&self) -> Sliding {
        Sliding::pooling(self.pool_size, self.strides, self.padding)
    }
}

impl LayerDefinition for AveragePooling2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [.., channels] = image_shape(input, "average_pooling2d")?;
        let [rows, columns] = self.sliding().count(input, channels, TOO_SMALL)?;
        Ok(vec![rows, columns, channels])
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(elements(&self.pool_size.0))
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(AveragePooling(self.sliding().pooled(build.input)))]
    }
}

/// Means over windows.
struct AveragePooling(Pooling);

impl Forward for AveragePooling {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let Pooling { size, strides, padding } = self.0;
        let pooled = |x: &Tensor| x.f_avg_pool2d(size, strides, [0, 0], false, true, None);
        let Some(amounts) = padding else { return pooled(x) };
        // The mean with the padding, divided by the share of the window that is none.
        let size = x.size();
        let inside = Tensor::f_ones([1, 1, size[2], size[3]], (Kind::Float, x.device()))?;
        let share = pooled(&inside.f_constant_pad_nd(amounts)?)?;
        pooled(&x.f_constant_pad_nd(amounts)?)?.f_div(&share.f_to_kind(x.kind())?)
    }
}
