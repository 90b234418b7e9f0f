//! RandAugment (Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2019) with
//! torchvision's operations and scales.

use super::{
    AugmentationDefinition, Draw, Image,
    policy::{COMMON, Scale, perform_randomly},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Does a number of random operations, all equally strong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandAug"], "examples" = [{}, {"num_ops": 2, "magnitude": 9}]))]
pub struct RandAugment {
    /// How many operations, one behind the other.
    #[serde(default = "two")]
    #[schemars(range(max = 20), extend("x-known-as" = ["n"]))]
    pub num_ops: usize,
    /// How strong they are, from 0 to 30.
    #[serde(default = "nine")]
    #[schemars(range(max = 30), extend("x-known-as" = ["m"]))]
    pub magnitude: usize,
}

impl AugmentationDefinition for RandAugment {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        for _ in 0..self.num_ops {
            let operation = COMMON[draw.index(COMMON.len() - 1)];
            image = perform_randomly(image, operation, Scale::Common, [self.magnitude, BINS], draw);
        }
        image
    }
}

/// The steps of the scale, 0 among them.
const BINS: usize = 31;

fn two() -> usize {
    2
}

fn nine() -> usize {
    9
}
