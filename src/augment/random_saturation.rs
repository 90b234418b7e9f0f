//! Stronger and paler colours, as Keras' `RandomSaturation`.

use super::{AugmentationDefinition, Draw, Image, Span, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes the colours of images stronger or paler by random amounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Saturation"], "x-bare" = "factor", "examples" = [{"factor": [0.3, 0.7]}]))]
pub struct RandomSaturation {
    /// The amount: 0 is grey, 0.5 leaves the colours, 1 is the strongest; a single number is the end of a range from 0.
    #[schemars(extend("examples" = [[0.3, 0.7]]))]
    pub factor: Span<0, 1>,
}

impl AugmentationDefinition for RandomSaturation {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        let factor = draw.between(self.factor.from_zero());
        // As in Keras, 0.5 becomes 1, and 1 something large.
        color::saturation(&mut image, factor / (1.0 - factor + 1e-7));
        image
    }

    fn needs_color(&self) -> bool {
        true
    }
}
