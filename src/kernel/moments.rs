//! Mean and variance of the channels of a batch, put together exactly from those of blocks (Chan et al., 1983).

use super::{
    compiled,
    normalization::{FEWEST, Normalization},
    vector::Vector,
};
use crate::device::in_parallel;

/// Mean and biased variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// `[channels]`
    pub mean: Vec<f32>,
    /// `[channels]`
    pub variance: Vec<f32>,
}

/// What is known of blocks of images: for each block and number of a row the sum, and the sum of the squared deviations from the block's
/// own mean.
pub struct Moments {
    normalization: Normalization,
    /// Numbers of an image.
    image: usize,
    /// `[images, blocks, 2, width]`
    found: Vec<f32>,
}

impl Moments {
    /// Whether images of so many places are worth looking at one by one: of fewer there would be as many sums as numbers.
    pub fn fits(places: usize) -> bool {
        places >= FEWEST
    }

    /// Those of so many images of so many numbers each, which are whole rows as [`Normalization::fits`] takes them, to be looked at.
    ///
    /// # Panics
    /// Where they aren't.
    pub fn new(normalization: Normalization, images: usize, image: usize) -> Self {
        assert!(image.is_multiple_of(normalization.width()) && image > 0 && images > 0);
        let mut moments = Moments { normalization, image, found: Vec::new() };
        moments.found = vec![0.0; images * moments.of_an_image()];
        moments
    }

    /// How many results there are for an image.
    fn of_an_image(&self) -> usize {
        2 * self.normalization.width() * self.image.div_ceil(self.normalization.block())
    }

    fn images(&self) -> usize {
        self.found.len() / self.of_an_image()
    }

    /// Whether they are of so many images of so many channels and numbers each.
    pub fn are_of(&self, images: usize, channels: usize, image: usize) -> bool {
        (self.images(), self.normalization.channels, self.image) == (images, channels, image)
    }

    /// What is normalized, and where the results of each image belong, which [`Normalization::look_at`] finds.
    pub fn of_images(&mut self) -> (Normalization, impl Iterator<Item = &mut [f32]>) {
        let length = self.of_an_image();
        (self.normalization, self.found.chunks_exact_mut(length))
    }

    /// Mean and variance over all images.
    pub fn statistics(&self) -> Statistics {
        let normalization = &self.normalization;
        let (width, block) = (normalization.width(), normalization.block());
        let all = (self.images() * self.image / normalization.channels) as f64;
        let mut sums = vec![0.0; width];
        for found in self.found.chunks_exact(2 * width) {
            sums.iter_mut().zip(&found[..width]).for_each(|(all, sum)| *all += f64::from(*sum));
        }
        let mean: Vec<f64> = normalization.of_rows(&sums).into_iter().map(|sum| sum / all).collect();
        let means = mean.repeat(width / normalization.channels);
        let mut squares = vec![0.0; width];
        for found in self.found.chunks_exact(self.of_an_image()) {
            for (at, found) in found.chunks_exact(2 * width).enumerate() {
                let rows = ((self.image - at * block).min(block) / width) as f64;
                let (sums, own) = found.split_at(width);
                for (((all, sum), own), mean) in squares.iter_mut().zip(sums).zip(own).zip(&means) {
                    let apart = f64::from(*sum) / rows - mean;
                    *all += f64::from(*own) + rows * apart * apart;
                }
            }
        }
        let variance = normalization.of_rows(&squares).into_iter().map(|sum| sum / all).collect();
        let single = |numbers: Vec<f64>| numbers.into_iter().map(|number| number as f32).collect();
        Statistics { mean: single(mean), variance: single(variance) }
    }
}

impl Normalization {
    /// Mean and variance over all rows, of which there is one at least.
    ///
    /// # Panics
    /// Where `values` aren't whole rows as [`Normalization::fits`] wants them.
    pub fn statistics(&self, values: &[f32]) -> Statistics {
        let mut moments = Moments::new(*self, 1, values.len());
        let tasks = self.stretches(values.len(), &mut moments.found, 2 * self.width());
        in_parallel(tasks, |(from, found)| self.look_at(&values[from * self.block()..], found));
        moments.statistics()
    }

    /// Finds what is to be known of as many blocks of `values` as there is room for.
    ///
    /// # Panics
    /// Where they aren't whole rows.
    pub fn look_at(&self, values: &[f32], found: &mut [f32]) {
        let (width, block) = (self.width(), self.block());
        for (values, found) in values.chunks(block).zip(found.chunks_exact_mut(2 * width)) {
            assert!(values.len().is_multiple_of(width));
            // SAFETY: whole rows of `width` numbers, which are whole vectors, and room for two results a number.
            unsafe { moments(self.instructions, values.as_ptr(), found.as_mut_ptr(), values.len() / width, width) }
        }
    }
}

compiled! {
    unsafe fn moments = generic_moments(values: *const f32, found: *mut f32, rows: usize, width: usize);
}

/// Sums over rows, and sums of the squared deviations from their means: `found` is `[2, width]`.
#[inline(always)]
unsafe fn generic_moments<V: Vector>(values: *const f32, found: *mut f32, rows: usize, width: usize) {
    // SAFETY: all that is read and written lies within `rows` rows, or the two of `found`.
    unsafe {
        for at in (0..width).step_by(V::LANES) {
            let sum = over_rows::<V>(rows, |row, sum| sum.plus(V::load(values.add(row * width + at))));
            sum.store(found.add(at));
            let mean = V::splat(0.0).plus_product(sum, V::splat(1.0 / rows as f32));
            let squares = over_rows::<V>(rows, |row, sum| {
                let apart = V::load(values.add(row * width + at)).minus(mean);
                sum.plus_product(apart, apart)
            });
            squares.store(found.add(width + at));
        }
    }
}

/// Adds up over rows, in four sums beside each other, since one would wait for itself.
#[inline(always)]
unsafe fn over_rows<V: Vector>(rows: usize, add: impl Fn(usize, V) -> V) -> V {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [V::splat(0.0); 4];
        let fours = rows / 4 * 4;
        for row in (0..fours).step_by(4) {
            sums = [add(row, sums[0]), add(row + 1, sums[1]), add(row + 2, sums[2]), add(row + 3, sums[3])];
        }
        for row in fours..rows {
            sums[0] = add(row, sums[0]);
        }
        sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]))
    }
}
