//! The whole range used, as torchvision's `RandomAutocontrast`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stretches each channel to the range from 0 to 255, in half of the images by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomAutocontrast"], "x-bare" = "probability", "examples" = [{}, {"probability": 1}]))]
pub struct AutoContrast {
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for AutoContrast {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            color::auto_contrast(&mut image);
        }
        image
    }
}
