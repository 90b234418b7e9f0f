//! Mixes each example of a batch with another one (Zhang et al., "mixup: beyond empirical risk minimization", 2018), as
//! Keras' `MixUp`.
//!
//! `x = share * x + (1 - share) * x[partner]`, and the same for the classes; shares follow Beta(alpha, alpha), partners a
//! permutation of the batch. Values are rounded to whole ones.

use super::{Blending, Pair, StageDefinition, blend::partners};
use crate::{augment::arguments::always, random::Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn alpha() -> f64 {
    0.2
}

/// Blends each image of a batch with another one of it, and the classes in the same proportion. Accuracy while training
/// is then that against the class with the larger share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "alpha", "x-known-as" = ["MixUp", "RandomMixup"], "examples" = [{}, {"alpha": 0.4, "probability": 0.5}]))]
pub struct Mixup {
    /// How evenly images are mixed: near 0 one of the two prevails, at 1 all proportions are as likely.
    #[serde(default = "alpha")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
    pub alpha: f64,
    /// The probability of being mixed, for each image.
    #[serde(default = "always")]
    #[schemars(range(min = 0, max = 1))]
    pub probability: f64,
}

impl Blending for Mixup {
    fn pairs(&self, examples: usize, _: [usize; 3], stream: &mut Stream) -> Vec<Pair> {
        let partners = partners(examples, stream);
        let mut share = || {
            let (chance, share) = (stream.unit(), stream.beta(self.alpha));
            if chance < self.probability { share } else { 1.0 }
        };
        partners.into_iter().map(|partner| Pair { partner, share: share(), area: None }).collect()
    }

    fn blend(&self, image: &mut [u8], partner: &[u8], _: [usize; 3], pair: &Pair) {
        let share = pair.share as f32;
        for (value, &other) in image.iter_mut().zip(partner) {
            *value = (f32::from(*value) * share + f32::from(other) * (1.0 - share) + 0.5) as u8;
        }
    }
}

impl StageDefinition for Mixup {
    fn blending(&self) -> Option<&dyn Blending> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random::Purpose, stage::blend::blend_all};

    #[test]
    fn images_and_classes_are_mixed_in_the_same_proportion() {
        // Each image is its class times 100, so that its mean tells the mixture.
        let mut images: Vec<u8> = [0u8, 100, 200].iter().flat_map(|value| [*value; 12]).collect();
        let mut targets = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let mut stream = Purpose::new(1, "mixup").stream(0, 0);
        blend_all(&Mixup { alpha: 1.0, probability: 1.0 }, &mut images, [2, 2, 3], &mut targets, &mut stream);
        for (image, target) in images.chunks(12).zip(targets.chunks(3)) {
            let want = target[1] * 100.0 + target[2] * 200.0;
            assert!(image.iter().all(|value| (f32::from(*value) - want).abs() <= 0.51), "{image:?} {target:?}");
            assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert!(targets.iter().any(|share| *share > 0.01 && *share < 0.99), "{targets:?}");
    }

    /// Keras gives 190, 143.5 and 34.3.
    #[test]
    fn values_are_kerass() {
        let mixup = Mixup { alpha: 1.0, probability: 1.0 };
        for (value, other, share, wanted) in [(10, 250, 0.25, 190), (250, 37, 0.5, 144), (37, 10, 0.9, 34)] {
            let mut image = [value];
            mixup.blend(&mut image, &[other], [1, 1, 1], &Pair { partner: 0, share, area: None });
            assert_eq!(image, [wanted]);
        }
    }

    #[test]
    fn with_probability_0_nothing_changes() {
        let (mut images, mut targets) = (vec![1, 2, 3, 4], vec![1.0, 0.0, 0.0, 1.0]);
        let mut stream = Purpose::new(1, "mixup").stream(0, 0);
        blend_all(&Mixup { alpha: 0.2, probability: 0.0 }, &mut images, [1, 2, 1], &mut targets, &mut stream);
        assert_eq!((images, targets), (vec![1, 2, 3, 4], vec![1.0, 0.0, 0.0, 1.0]));
    }
}
