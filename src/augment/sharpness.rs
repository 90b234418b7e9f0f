//! Sharper and softer images, as torchvision's `RandomAdjustSharpness`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes images sharper or softer, half of them by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomAdjustSharpness", "RandomSharpness"], "x-bare" = "factor", "examples" = [{"factor": 2}]))]
pub struct Sharpness {
    /// 0 smooths, 1 leaves the image, 2 sharpens as much as 0 smooths.
    #[schemars(range(min = 0, max = 100), extend("x-known-as" = ["sharpness_factor"], "examples" = [2]))]
    pub factor: f64,
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for Sharpness {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            color::adjust_sharpness(&mut image, self.factor);
        }
        image
    }
}
