//! TrivialAugment (Müller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation", 2021) with
//! torchvision's operations and wide scales.

use super::{
    AugmentationDefinition, Draw, Image,
    policy::{COMMON, Scale, perform_randomly},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Does one random operation, randomly strong. There is nothing to tune.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["TrivialAugmentWide"], "examples" = [{}]))]
pub struct TrivialAugment {
}

impl AugmentationDefinition for TrivialAugment {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        let operation = COMMON[draw.index(COMMON.len() - 1)];
        let bin = draw.index(BINS - 1);
        perform_randomly(image, operation, Scale::Wide, [bin, BINS], draw)
    }
}

/// The steps of the scale, 0 among them.
const BINS: usize = 31;
