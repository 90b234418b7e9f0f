//! Mirroring in turns, as airbench does (Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024): nothing is left to
//! chance but who begins, so that two epochs together show each image both ways.

use super::{AugmentationDefinition, Draw, Image, random_flip::flip_horizontally};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mirrors each image left to right in every second epoch; which half begins is random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct AlternatingFlip {
}

impl AugmentationDefinition for AlternatingFlip {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if (u64::from(draw.lasting.bits()) + draw.pass) % 2 == 1 {
            flip_horizontally(&mut image);
        }
        image
    }
}
