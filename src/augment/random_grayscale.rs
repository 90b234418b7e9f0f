//! Images without colour, as Keras' `RandomGrayscale`.

use super::{AugmentationDefinition, Draw, Image, arguments::half, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes the colour from images at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Grayscale", "ToGray"], "x-bare" = "factor", "examples" = [{}, {"factor": 0.1}]))]
pub struct RandomGrayscale {
    /// How likely an image loses its colour.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p", "probability"]))]
    pub factor: f64,
}

impl AugmentationDefinition for RandomGrayscale {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.factor) {
            color::grayscale(&mut image);
        }
        image
    }

    fn needs_color(&self) -> bool {
        true
    }
}
