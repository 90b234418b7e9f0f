//! Puts a box of another image of the batch into each one (Yun et al., "CutMix", 2019), as Keras' `CutMix`.
//!
//! The share that an image keeps follows Beta(a, a), where `a` is drawn from `factor` for each batch; the box has the image's
//! proportions and `1 - share` of its area, at a random place. Unlike Keras', the classes are mixed by the pixels that
//! were replaced, and not by the area before it was cut to whole pixels.

use super::{Blending, Pair, StageDefinition, blend::partners};
use crate::{
    augment::{Span, arguments::always},
    random::Stream,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn factor() -> Span<0, 1> {
    Span::One(1.0)
}

/// Replaces a box of each image by that of another image of the batch, and mixes the classes by area. Accuracy while
/// training is then that against the class with the larger share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "factor", "x-known-as" = ["CutMix", "RandomCutmix"], "examples" = [{}, {"factor": [0.5, 1.0], "probability": 0.5}]))]
pub struct Cutmix {
    /// How much the boxes' sizes vary: 0 for boxes that are nearly everything or nothing, 1 for all sizes alike. Of a
    /// range, or from 0 to a single number, each batch draws one.
    #[serde(default = "factor")]
    pub factor: Span<0, 1>,
    /// The probability of getting a box, for each image.
    #[serde(default = "always")]
    #[schemars(range(min = 0, max = 1))]
    pub probability: f64,
}

/// Keras adds it, so that there is a distribution at 0.
const LEAST: f64 = 1e-6;

/// Where a stretch of `part` of `length` pixels lies that begins at `at` of the room it has: its first pixel, and the one
/// behind its last. Pixels count whose index lies in it.
fn stretch(length: usize, part: f64, at: f64) -> [usize; 2] {
    let size = part * length as f64;
    let start = at * (length as f64 - size);
    [start, start + size].map(|end| (end.ceil() as usize).min(length))
}

impl Blending for Cutmix {
    fn pairs(&self, examples: usize, [height, width, _]: [usize; 3], stream: &mut Stream) -> Vec<Pair> {
        let partners = partners(examples, stream);
        let [low, high] = self.factor.from_zero();
        let alpha = low + (high - low) * stream.unit() + LEAST;
        let mut pair = |partner| {
            let (chance, share) = (stream.unit(), stream.beta(alpha));
            let side = (1.0 - share).sqrt();
            let [left, right] = stretch(width, side, stream.unit());
            let [top, bottom] = stretch(height, side, stream.unit());
            if chance >= self.probability {
                return Pair { partner, share: 1.0, area: Some([0..0, 0..0]) };
            }
            let share = 1.0 - ((right - left) * (bottom - top)) as f64 / (height * width) as f64;
            Pair { partner, share, area: Some([top..bottom, left..right]) }
        };
        partners.into_iter().map(&mut pair).collect()
    }

    fn blend(&self, image: &mut [u8], partner: &[u8], [_, width, channels]: [usize; 3], pair: &Pair) {
        let Some([rows, columns]) = &pair.area else { return };
        for row in rows.clone() {
            let part = (row * width + columns.start) * channels..(row * width + columns.end) * channels;
            image[part.clone()].copy_from_slice(&partner[part]);
        }
    }
}

impl StageDefinition for Cutmix {
    fn blending(&self) -> Option<&dyn Blending> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random::Purpose, stage::blend::blend_all};

    #[test]
    fn a_box_is_replaced_and_the_classes_tell_its_area() {
        let mut boxes = 0;
        for step in 0..50 {
            // Each image has the value of its class.
            let mut images: Vec<u8> = (0..4u8).flat_map(|class| [class; 8 * 6]).collect();
            let mut targets = vec![0.0; 16];
            (0..4).for_each(|class| targets[class * 4 + class] = 1.0);
            let cutmix = Cutmix { factor: factor(), probability: 1.0 };
            let mut stream = Purpose::new(1, "cutmix").stream(0, step);
            blend_all(&cutmix, &mut images, [8, 6, 1], &mut targets, &mut stream);
            for (image, target) in images.chunks(48).zip(targets.chunks(4)) {
                for class in 0..4 {
                    let share = image.iter().filter(|value| **value == class as u8).count() as f32 / 48.0;
                    assert!((share - target[class]).abs() < 1e-6, "{image:?} {target:?}");
                }
                boxes += usize::from(target.iter().filter(|share| **share > 0.0).count() == 2);
            }
        }
        assert!(boxes > 50, "{boxes}");
    }

    #[test]
    fn a_stretch_lies_within_the_image() {
        assert_eq!(stretch(10, 1.0, 0.7), [0, 10]);
        assert_eq!(stretch(10, 0.0, 0.7), [7, 7]);
        // 2.5 pixels from 3.75 on: those at 4, 5 and 6.
        assert_eq!(stretch(10, 0.25, 0.5), [4, 7]);
    }
}
