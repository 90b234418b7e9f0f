//! Images from nearer or farther, as Keras' `RandomZoom`.

use super::{AugmentationDefinition, Draw, FillMode, Image, Interpolation, Span, affine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shows images from nearer or farther by random shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Zoom"], "x-bare" = "height_factor", "examples" = [{"height_factor": 0.2}, {"height_factor": [-0.3, 0], "width_factor": [-0.2, 0]}]))]
pub struct RandomZoom {
    /// How much more of the height is seen, as a share: a range, or the most in both directions. 0.2 is farther by a fifth,
    /// -0.2 nearer.
    #[schemars(extend("examples" = [0.2]))]
    pub height_factor: Span<-1, 1>,
    /// The same for the width; where it isn't given, the width goes with the height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the height's draw"))]
    pub width_factor: Option<Span<-1, 1>>,
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

impl AugmentationDefinition for RandomZoom {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        let height = 1.0 + draw.between(self.height_factor.around_zero());
        let width = self.width_factor.map_or(height, |factor| 1.0 + draw.between(factor.around_zero()));
        affine::zoom(&image, height, width, (self.fill_mode, self.fill_value), self.interpolation)
    }
}
