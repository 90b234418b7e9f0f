//! More and less contrast, as Keras' `RandomContrast`.

use super::{AugmentationDefinition, Draw, Image, Span, color};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes the contrast of images: each channel's distance from its mean is multiplied by a random number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Contrast"], "x-bare" = "factor", "examples" = [{"factor": 0.2}]))]
pub struct RandomContrast {
    /// The number is from `1 - a` to `1 + b` for the range `[a, b]`; a single number stands for both.
    #[schemars(extend("examples" = [0.2]))]
    pub factor: Span<0, 1>,
}

impl AugmentationDefinition for RandomContrast {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        let [low, high] = match self.factor {
            Span::One(factor) => [factor; 2],
            Span::Between(factors) => factors,
        };
        color::contrast(&mut image, draw.between([1.0 - low, 1.0 + high]));
        image
    }
}
