//! Fewer shades, as torchvision's `RandomPosterize`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps only the first bits of all values, of half of the images by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomPosterize", "RandomPosterization"], "x-bare" = "bits", "examples" = [{"bits": 4}]))]
pub struct Posterize {
    /// How many of the eight bits are kept.
    #[schemars(range(max = 8), extend("examples" = [4]))]
    pub bits: u32,
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for Posterize {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            color::posterize(&mut image, self.bits);
        }
        image
    }
}
