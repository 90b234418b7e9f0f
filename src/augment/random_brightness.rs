//! Lighter and darker images, as Keras' `RandomBrightness`.

use super::{AugmentationDefinition, Draw, Image, Span, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes images lighter or darker: a random amount is added to all values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Brightness"], "x-bare" = "factor", "examples" = [{"factor": 0.2}]))]
pub struct RandomBrightness {
    /// The amount as a share of 255, from -1 to 1: a range, or the largest one to both sides.
    #[schemars(extend("examples" = [0.2]))]
    pub factor: Span<-1, 1>,
}

impl AugmentationDefinition for RandomBrightness {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        color::add(&mut image, 255.0 * draw.between(self.factor.around_zero()));
        image
    }
}
