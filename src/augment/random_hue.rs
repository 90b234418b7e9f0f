//! Other colours, as Keras' `RandomHue`.

use super::{AugmentationDefinition, Draw, Image, Span, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Turns the hue of all colours by a random angle, one way or the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Hue"], "x-bare" = "factor", "examples" = [{"factor": 0.1}]))]
pub struct RandomHue {
    /// The angle as a share of half a turn; a single number is the end of a range from 0.
    #[schemars(extend("examples" = [0.1]))]
    pub factor: Span<0, 1>,
}

impl AugmentationDefinition for RandomHue {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        let shift = draw.sign() * 0.5 * draw.between(self.factor.from_zero());
        color::hue(&mut image, shift);
        image
    }

    fn needs_color(&self) -> bool {
        true
    }
}
