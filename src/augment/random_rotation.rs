//! Turned images, as Keras' `RandomRotation`.

use super::{AugmentationDefinition, Draw, FillMode, Image, Interpolation, Span, affine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Turns images around their middle by a random angle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Rotate"], "x-bare" = "factor", "examples" = [{"factor": 0.1}, {"factor": [-0.05, 0.1], "fill_mode": "constant"}]))]
pub struct RandomRotation {
    /// The angle as a fraction of a turn, from -1 to 1: a range, or the largest angle to both sides. Positive is
    /// counterclockwise; 0.1 is up to 36 degrees.
    #[schemars(extend("x-known-as" = ["degrees"], "examples" = [0.1]))]
    pub factor: Span<-1, 1>,
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

impl AugmentationDefinition for RandomRotation {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        let angle = draw.between(self.factor.around_zero());
        affine::rotate(&image, angle, (self.fill_mode, self.fill_value), self.interpolation)
    }
}
