//! AutoAugment (Cubuk et al., "AutoAugment: Learning augmentation policies from data", 2018): the policy that was found for
//! CIFAR-10, with torchvision's operations and scales.

use super::{
    AugmentationDefinition, Draw, Image,
    policy::{
        Operation::{
            self, AutoContrast, Brightness, Color, Contrast, Equalize, Invert, Posterize, Rotate, Sharpness, ShearY, Solarize,
            TranslateX, TranslateY,
        },
        Scale, perform_randomly,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Does one of 25 pairs of operations that were found to help on CIFAR-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "policy", "examples" = [{}, {"policy": "cifar10"}]))]
pub struct AutoAugment {
    /// Which policy.
    #[serde(default)]
    pub policy: Policy,
}

impl AugmentationDefinition for AutoAugment {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        let Policy::Cifar10 = self.policy;
        for (operation, probability, bin) in CIFAR10[draw.index(CIFAR10.len() - 1)] {
            if draw.chance(probability) {
                image = perform_randomly(image, operation, Scale::Common, [bin, BINS], draw);
            }
        }
        image
    }
}

/// A table of pairs of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The one found on CIFAR-10.
    #[default]
    Cifar10,
}

/// The steps of the scale, 0 among them.
const BINS: usize = 10;

/// For each operation, how likely it is done, and at which step of the scale; what has no strength stands at 0.
pub const CIFAR10: [[(Operation, f64, usize); 2]; 25] = [
    [(Invert, 0.1, 0), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 0), (Equalize, 0.9, 0)],
    [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Color, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 0), (Equalize, 0.5, 0)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Color, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalize, 0.3, 0), (AutoContrast, 0.4, 0)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Color, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 0)],
    [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 0), (Equalize, 0.6, 0)],
    [(Color, 0.9, 9), (Equalize, 0.6, 0)],
    [(AutoContrast, 0.8, 0), (Solarize, 0.2, 8)],
    [(Brightness, 0.1, 3), (Color, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 0)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 0), (Solarize, 0.8, 3)],
    [(Equalize, 0.8, 0), (Invert, 0.1, 0)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 0)],
];
