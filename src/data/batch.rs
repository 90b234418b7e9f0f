//! A batch in the host's memory.

use super::{BatchLabels, Buffer, Chosen};
use crate::stage::{Blend, Blending, Pair};

/// A batch in the host's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostBatch {
    /// Examples one behind the other, each as its [`Form`](crate::source::Form) says: of images bytes `[batch, height, width, channels]`.
    pub examples: Buffer,
    /// One label an example.
    pub labels: BatchLabels,
    /// Shares of the classes, `[batch, classes]`, where examples were blended.
    pub shares: Option<Vec<f32>>,
    /// Where the examples lie on a device already, and `examples` is empty.
    pub chosen: Option<Chosen>,
    /// The place of its first example in the batch that it is a stretch of.
    pub first: usize,
    /// How many examples that batch has: as many as this one, where it is all of it.
    pub whole: usize,
}

impl HostBatch {
    /// Blends its images of some height, width and channels as `pairs` of the whole batch say; they are those at `places` in it.
    /// Of images alone, with classes: the check refuses to blend anything else.
    pub(super) fn blend(
        &mut self,
        blending: &dyn Blending,
        pairs: &[Pair],
        places: &[usize],
        shape: [usize; 3],
        classes: usize,
    ) {
        let HostBatch { examples: images, labels: BatchLabels::Classes(labels), shares, .. } = self else { return };
        let targets = shares.get_or_insert_with(|| one_hot(labels, classes));
        Blend { images, shape, targets, places }.apply(blending, pairs);
        for (label, shares) in labels.iter_mut().zip(targets.chunks_exact(classes)) {
            let largest = shares.iter().copied().fold(0.0, f32::max);
            // Of equal shares the example's own counts.
            if shares[*label as usize] < largest {
                *label = shares.iter().position(|share| *share == largest).unwrap_or(0) as i64;
            }
        }
    }

    /// Keeps the first so many examples, each of so many bytes.
    pub(super) fn truncate(&mut self, count: usize, example_bytes: usize, classes: usize) {
        self.examples.truncate(count * example_bytes);
        self.labels.truncate(count);
        if let Some(shares) = &mut self.shares {
            shares.truncate(count * classes);
        }
    }
}

fn one_hot(labels: &[i64], classes: usize) -> Vec<f32> {
    let mut shares = vec![0.0; labels.len() * classes];
    labels.iter().enumerate().for_each(|(row, &label)| shares[row * classes + label as usize] = 1.0);
    shares
}
