//! Slanted images, as Keras' `RandomShear`.

use super::{AugmentationDefinition, Draw, FillMode, Image, Interpolation, Span, affine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Slants images by random amounts, from their upper left corner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Shear"], "x-bare" = "x_factor", "examples" = [{"x_factor": 0.2}, {"x_factor": [0, 0.3], "y_factor": 0.1}]))]
pub struct RandomShear {
    /// By how much of a pixel each row is shifted against the one above it: a range, or the most in both directions.
    #[serde(default = "none")]
    pub x_factor: Span<0, 1>,
    /// By how much of a pixel each column is shifted against the one before it: a range, or the most in both directions.
    #[serde(default = "none")]
    pub y_factor: Span<0, 1>,
    /// What stands where the image has no pixels.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["padding_mode"]))]
    pub fill_mode: FillMode,
    /// The value outside where `fill_mode` is `constant`.
    #[serde(default)]
    #[schemars(range(max = 255), extend("x-known-as" = ["fill"]))]
    pub fill_value: u8,
    /// How values between pixels are found.
    #[serde(default)]
    pub interpolation: Interpolation,
}

impl AugmentationDefinition for RandomShear {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        // A range holds absolute amounts; both directions go one way or the other together.
        let sign = draw.sign();
        let y = sign * draw.between(self.y_factor.around_zero());
        let x = sign * draw.between(self.x_factor.around_zero());
        affine::shear(&image, x, y, (self.fill_mode, self.fill_value), self.interpolation)
    }
}

fn none() -> Span<0, 1> {
    Span::One(0.0)
}
