//! What stages share that blend the examples of a batch in pairs.
//!
//! Who is blended with whom, and how, is drawn for the whole batch; a process that has a part of it blends that part alone,
//! and reads of the others only those that it needs.

use crate::random::Stream;
use std::ops::Range;

/// What becomes of an example that is blended with another one of its batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The other one's place in the batch.
    pub partner: usize,
    /// The share of the class that the example keeps; the rest is its partner's.
    pub share: f64,
    /// The rows and columns that come from the partner, where it isn't all that is mixed.
    pub area: Option<[Range<usize>; 2]>,
}

/// What a stage does that blends the examples of a batch.
pub trait Blending: Send + Sync {
    /// What becomes of each of so many images of this height, width and channels, drawn from `stream`.
    fn pairs(&self, examples: usize, shape: [usize; 3], stream: &mut Stream) -> Vec<Pair>;

    /// Blends an image, bytes `[height, width, channels]`, with its partner's as it was before.
    fn blend(&self, image: &mut [u8], partner: &[u8], shape: [usize; 3], pair: &Pair);
}

/// A partner for each of so many examples, as a permutation.
pub(super) fn partners(examples: usize, stream: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..examples).collect();
    stream.shuffle(&mut order);
    order
}

/// The places in the batch of the examples that it takes to make those at `wanted`: first these, then partners, and their
/// partners at an earlier stage. `stages` has the pairs of each stage.
pub fn needed(wanted: Range<usize>, stages: &[Vec<Pair>]) -> Vec<usize> {
    let mut places: Vec<usize> = wanted.collect();
    for pairs in stages.iter().rev() {
        let mut is_there = vec![false; pairs.len()];
        places.iter().for_each(|&place| is_there[place] = true);
        for at in 0..places.len() {
            let partner = pairs[places[at]].partner;
            if !std::mem::replace(&mut is_there[partner], true) {
                places.push(partner);
            }
        }
    }
    places
}

/// Examples of a batch that are blended.
pub struct Blend<'a> {
    /// Their images, bytes `[examples, height, width, channels]`.
    pub images: &'a mut [u8],
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// Shares of the classes, `[examples, classes]`; each row has the sum 1.
    pub targets: &'a mut [f32],
    /// The place of each of them in the batch.
    pub places: &'a [usize],
}

impl Blend<'_> {
    /// Blends each example whose partner is there; `pairs` are those of the whole batch. What is [`needed`] is complete.
    pub fn apply(self, blending: &dyn Blending, pairs: &[Pair]) {
        let Blend { images, shape, targets, places } = self;
        let size: usize = shape.iter().product();
        let classes = targets.len() / places.len().max(1);
        let (images_before, targets_before) = (images.to_vec(), targets.to_vec());
        let mut held = vec![None; pairs.len()];
        places.iter().enumerate().for_each(|(at, &place)| held[place] = Some(at));
        for (at, &place) in places.iter().enumerate() {
            let pair = &pairs[place];
            let Some(partner) = held[pair.partner] else { continue };
            let image = &mut images[at * size..][..size];
            blending.blend(image, &images_before[partner * size..][..size], shape, pair);
            let of_partner = &targets_before[partner * classes..][..classes];
            for (value, other) in targets[at * classes..][..classes].iter_mut().zip(of_partner) {
                *value = (f64::from(*value) * pair.share + f64::from(*other) * (1.0 - pair.share)) as f32;
            }
        }
    }
}

/// Blends a whole batch.
#[cfg(test)]
pub(super) fn blend_all(
    blending: &dyn Blending,
    images: &mut [u8],
    shape: [usize; 3],
    targets: &mut [f32],
    stream: &mut Stream,
) {
    let examples = images.len() / shape.iter().product::<usize>();
    let pairs = blending.pairs(examples, shape, stream);
    let places = needed(0..examples, std::slice::from_ref(&pairs));
    Blend { images, shape, targets, places: &places }.apply(blending, &pairs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_partners_and_their_partners_before() {
        let pairs = |partners: [usize; 4]| partners.map(|partner| Pair { partner, share: 0.5, area: None }).to_vec();
        let (first, second) = (pairs([3, 0, 1, 2]), pairs([1, 2, 3, 0]));
        assert_eq!(needed(0..1, &[]), [0]);
        assert_eq!(needed(0..1, std::slice::from_ref(&second)), [0, 1]);
        // The second stage needs 1, and the first for 0 and 1 also 3.
        assert_eq!(needed(0..1, &[first.clone(), second.clone()]), [0, 1, 3]);
        assert_eq!(needed(0..4, &[first, second]), [0, 1, 2, 3]);
    }
}
