//! The gradient of a convolution's kernel of 1x1: the product of two tall matrices, the places of all images by their channels.
//!
//! There are a hundred thousand places and a few dozen channels. So the sums of a few channels by a few vectors of others stay in
//! registers while the places go by, in stretches that stay in the cache for the channels that come next.

use super::{
    Instructions,
    batch::{Scratch, stretches, transpose},
    compiled,
    vector::Vector,
};
use crate::device::in_parallel;

/// A convolution of 1x1 over all places of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointwise {
    /// Channels that come in.
    pub inputs: usize,
    /// Channels that go out.
    pub outputs: usize,
    /// What it is computed with.
    pub instructions: Instructions,
    /// On so many threads.
    pub threads: usize,
}

/// Channels of the side whose numbers are taken one by one that are added up at once.
const AT_ONCE: usize = 8;
/// Numbers of both sides that stay in the cache, half of a processor's first.
const NEAR: usize = 4096;
/// The fewest places that pay for putting the sums away and getting them back.
const FEWEST: usize = 64;

/// The two sides of the product, `[places, narrow]` and `[places, wide]`.
#[derive(Clone, Copy)]
struct Sides {
    narrow: *const f32,
    wide: *const f32,
    places: usize,
    counts: [usize; 2],
}

impl Pointwise {
    /// Whether the kernel serves so many channels: one side has whole vectors, the other one eights.
    pub fn fits(inputs: usize, outputs: usize) -> bool {
        let fits = |wide: usize, narrow: usize| wide.is_multiple_of(16) && narrow.is_multiple_of(AT_ONCE);
        inputs > 0 && outputs > 0 && (fits(inputs, outputs) || fits(outputs, inputs))
    }

    /// Whether the outputs are the side that is taken in vectors: the larger one of those that can be.
    fn is_wide_in_outputs(&self) -> bool {
        !self.inputs.is_multiple_of(16) || (self.outputs.is_multiple_of(16) && self.outputs > self.inputs)
    }

    /// The gradient of the kernel, `[outputs, inputs]`, from the images, `[places, inputs]`, and the gradient of the outputs,
    /// `[places, outputs]`.
    ///
    /// # Panics
    /// Where the slices haven't as many places, or [`Pointwise::fits`] doesn't hold.
    pub fn kernel_gradient(&self, images: &[f32], slopes: &[f32]) -> Vec<f32> {
        let Pointwise { inputs, outputs, .. } = *self;
        let places = images.len() / inputs;
        assert!(Self::fits(inputs, outputs));
        assert!(images.len() == places * inputs && slopes.len() == places * outputs);
        let turns = self.is_wide_in_outputs();
        let (narrow, wide) = if turns { (images, slopes) } else { (slopes, images) };
        let counts = if turns { [inputs, outputs] } else { [outputs, inputs] };
        let near = (NEAR / (inputs + outputs)).max(FEWEST);
        let stretches = stretches(self.threads, places);
        let mut all: Vec<Scratch> = stretches.iter().map(|_| Scratch::new(inputs * outputs)).collect();
        in_parallel(stretches.into_iter().zip(&mut all).collect(), |(stretch, sums)| {
            for from in stretch.clone().step_by(near) {
                let narrow = narrow[from * counts[0]..].as_ptr();
                let wide = wide[from * counts[1]..].as_ptr();
                let sides = Sides { narrow, wide, places: near.min(stretch.end - from), counts };
                // SAFETY: both sides have so many places, and there is a sum for each pair of channels.
                unsafe { add_products(self.instructions, sides, sums.numbers().as_mut_ptr()) }
            }
        });
        let mut all = all.into_iter();
        let mut sums = all.next().expect("there is a stretch at least").kept()[..inputs * outputs].to_vec();
        for other in all {
            sums.iter_mut().zip(other.kept()).for_each(|(sum, other)| *sum += other);
        }
        if !turns {
            return sums;
        }
        let mut turned = vec![0.0; sums.len()];
        transpose(&sums, &mut turned, inputs);
        turned
    }
}

compiled! {
    /// Adds to the sums, `[narrow, wide]`.
    unsafe fn add_products = generic(sides: Sides, sums: *mut f32);
}

#[inline(always)]
unsafe fn generic<V: Vector>(sides: Sides, sums: *mut f32) {
    // SAFETY: the caller's.
    unsafe { if V::MANY { blocks::<V, AT_ONCE>(sides, sums) } else { blocks::<V, { AT_ONCE / 2 }>(sides, sums) } }
}

/// So many channels of the narrow side at once, by up to three vectors of the wide one: as many sums as there are registers.
#[inline(always)]
unsafe fn blocks<V: Vector, const NARROW: usize>(sides: Sides, sums: *mut f32) {
    let [narrow, wide] = sides.counts;
    for first in (0..narrow).step_by(NARROW) {
        let mut at = 0;
        while at < wide {
            // SAFETY: so many channels are left on both sides.
            unsafe {
                let sides = Sides { narrow: sides.narrow.add(first), wide: sides.wide.add(at), ..sides };
                let sums = sums.add(first * wide + at);
                // Four are better taken in halves than with one left over.
                at += V::LANES
                    * match (wide - at) / V::LANES {
                        1 => block::<V, NARROW, 1>(sides, sums),
                        2 | 4 => block::<V, NARROW, 2>(sides, sums),
                        _ => block::<V, NARROW, 3>(sides, sums),
                    };
            }
        }
    }
}

/// Gives how many vectors of the wide side were taken.
#[inline(always)]
unsafe fn block<V: Vector, const NARROW: usize, const VECTORS: usize>(sides: Sides, into: *mut f32) -> usize {
    let [narrow, wide] = sides.counts;
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut sums = [[V::splat(0.0); VECTORS]; NARROW];
        for place in 0..sides.places {
            let (one, many) = (sides.narrow.add(place * narrow), sides.wide.add(place * wide));
            let mut values = [V::splat(0.0); VECTORS];
            for (vector, value) in values.iter_mut().enumerate() {
                *value = V::load(many.add(vector * V::LANES));
            }
            for (channel, sums) in sums.iter_mut().enumerate() {
                let factor = V::splat(*one.add(channel));
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = sum.plus_product(factor, value);
                }
            }
        }
        for (channel, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                let at = into.add(channel * wide + vector * V::LANES);
                V::load(at).plus(sum).store(at);
            }
        }
    }
    VECTORS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::trial::{all_instructions, close, numbers};

    #[test]
    fn the_gradient_is_what_plain_loops_give() {
        // One place, none that fill a stretch, several stretches; each side as the wide one.
        let sizes = [(1, 8, 16), (3, 16, 8), (150, 16, 16), (333, 48, 8), (200, 24, 64), (70, 112, 80), (5, 16, 96)];
        for (places, inputs, outputs) in sizes {
            let (images, slopes) = (numbers(places * inputs, "images"), numbers(places * outputs, "slopes"));
            let mut want = vec![0.0; inputs * outputs];
            for place in 0..places {
                for (at, want) in want.iter_mut().enumerate() {
                    let (output, input) = (at / inputs, at % inputs);
                    *want += f64::from(slopes[place * outputs + output]) * f64::from(images[place * inputs + input]);
                }
            }
            for instructions in all_instructions() {
                for threads in [1, 3] {
                    let pointwise = Pointwise { inputs, outputs, instructions, threads };
                    close("kernel", &pointwise.kernel_gradient(&images, &slopes), &want);
                }
            }
        }
    }

    #[test]
    fn without_places_there_is_no_slope() {
        let pointwise = Pointwise { inputs: 16, outputs: 8, instructions: Instructions::Portable, threads: 2 };
        assert_eq!(pointwise.kernel_gradient(&[], &[]), [0.0; 128]);
    }

    #[test]
    fn channels_that_fill_nothing_are_left_to_others() {
        assert!(Pointwise::fits(8, 16) && Pointwise::fits(48, 8) && Pointwise::fits(112, 1280));
        assert!(
            !Pointwise::fits(8, 8) && !Pointwise::fits(16, 10) && !Pointwise::fits(0, 16) && !Pointwise::fits(3, 64)
        );
    }
}
