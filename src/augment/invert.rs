//! Negatives, as torchvision's `RandomInvert`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Turns images into negatives, half of them by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomInvert"], "x-bare" = "probability", "examples" = [{}, {"probability": 0.1}]))]
pub struct Invert {
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for Invert {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            color::invert(&mut image);
        }
        image
    }
}
