//! Even histograms, as torchvision's `RandomEqualize`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Spreads the values of each channel evenly, in half of the images by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomEqualize", "Equalization"], "x-bare" = "probability", "examples" = [{}, {"probability": 1}]))]
pub struct Equalize {
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for Equalize {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            color::equalize(&mut image);
        }
        image
    }
}
