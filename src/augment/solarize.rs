//! Bright values inverted, as torchvision's `RandomSolarize`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Inverts the values from a threshold on, of half of the images by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomSolarize", "Solarization"], "x-bare" = "threshold", "examples" = [{"threshold": 128}]))]
pub struct Solarize {
    /// The least value, from 0 to 255, that is inverted.
    #[schemars(range(min = 0, max = 255), extend("examples" = [128]))]
    pub threshold: f64,
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for Solarize {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            color::solarize(&mut image, self.threshold);
        }
        image
    }
}
