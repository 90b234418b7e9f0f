//! Moved images, as Keras' `RandomTranslation`.

use super::{AugmentationDefinition, Draw, FillMode, Image, Interpolation, Span, affine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Moves images up or down and to a side by random distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Translate"], "examples" = [{"height_factor": 0.1, "width_factor": 0.1}]))]
pub struct RandomTranslation {
    /// How far down, as a share of the height: a range, or the farthest in both directions. Negative is up.
    #[schemars(extend("examples" = [0.1]))]
    pub height_factor: Span<-1, 1>,
    /// How far to the right, as a share of the width: a range, or the farthest in both directions. Negative is left.
    #[schemars(extend("examples" = [0.1]))]
    pub width_factor: Span<-1, 1>,
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

impl AugmentationDefinition for RandomTranslation {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        let [height, width, _] = image.shape.map(|length| length as f64);
        let down = height * draw.between(self.height_factor.around_zero());
        let right = width * draw.between(self.width_factor.around_zero());
        affine::translate(&image, right, down, (self.fill_mode, self.fill_value), self.interpolation)
    }
}
