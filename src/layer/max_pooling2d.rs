//! The maximum of each window of each channel, as Keras' `MaxPooling2D`.
//!
//! `[height, width, channels]` becomes `[height', width', channels]`.

use super::{
    Build, FLOAT_BYTES, Forward, LayerDefinition, Operator, Padding, Pair, Pass, ShapeError, elements,
    image_shape, window::{Pooling, Sliding},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

pub(super) fn two() -> Pair {
    Pair([2, 2])
}

/// What to do about windows that are larger than the image.
pub(super) const TOO_SMALL: &str = "remove this pooling or one before it: the images are too small by now";

/// Takes the maximum of each window, which makes images smaller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["MaxPool2d", "MaxPool"], "x-bare" = "pool_size", "examples" = [{}, {"pool_size": 3, "strides": 2, "padding": "same"}]))]
pub struct MaxPooling2d {
    /// Height and width of the windows: one number for both, or `[height, width]`.
    #[serde(default = "two")]
    #[schemars(extend("x-known-as" = ["kernel_size"]))]
    pub pool_size: Pair,
    /// The distance between windows; as large as the windows where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-known-as" = ["stride"]))]
    pub strides: Option<Pair>,
    /// `valid` leaves out what doesn't fill a window; `same` pads, and the padding is never the maximum.
    #[serde(default)]
    pub padding: Padding,
}

impl MaxPooling2d {
    fn sliding(&self) -> Sliding {
        Sliding::pooling(self.pool_size, self.strides, self.padding)
    }
}

impl LayerDefinition for MaxPooling2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [.., channels] = image_shape(input, "max_pooling2d")?;
        let [rows, columns] = self.sliding().count(input, channels, TOO_SMALL)?;
        Ok(vec![rows, columns, channels])
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(elements(&self.pool_size.0))
    }

    /// Besides the maxima, where they stood: a 64-bit index each.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(FLOAT_BYTES + 8)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(MaxPooling(self.sliding().pooled(build.input)))]
    }
}

/// Maxima over windows.
pub struct MaxPooling(Pooling);

impl MaxPooling {
    /// Whether the windows are 2x2, side by side.
    pub fn halves(&self) -> bool {
        self.0.size == [2, 2] && self.0.strides == [2, 2] && self.0.padding.is_none()
    }
}

impl Forward for MaxPooling {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let Pooling { size, strides, padding } = self.0;
        let padded = padding.map(|amounts| x.f_pad(amounts, "constant", f64::NEG_INFINITY)).transpose()?;
        padded.as_ref().unwrap_or(x).f_max_pool2d(size, strides, [0, 0], [1, 1], false)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::MaxPooling(self)
    }
}
