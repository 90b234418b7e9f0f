//! Dropout's mask and its product with the values, drawn where it is used.

use super::{Instructions, compiled, vector::Vector};
use crate::{
    device::in_parallel,
    random::{LANES, Purpose, Stream},
};

/// Which values dropout keeps, and how.
#[derive(Clone, Copy)]
pub struct Dropout {
    /// The random numbers of the layer.
    pub purpose: Purpose,
    /// The optimizer step.
    pub step: u64,
    /// The place of the first example in the batch.
    pub first: usize,
    /// A value is dropped where its 32 random bits lie below this.
    pub threshold: u32,
    /// What those that are kept are multiplied by.
    pub kept: f32,
    /// With what it is computed.
    pub instructions: Instructions,
    /// On so many threads; the numbers don't hang on them.
    pub threads: usize,
}

impl Dropout {
    /// Multiplies `values`, `[batch, values]`, into `into`; `mask` becomes 1 where one is kept and 0 elsewhere. Each example has
    /// random numbers of its own.
    ///
    /// # Panics
    /// Where the slices differ in length.
    pub fn forward(&self, examples: usize, values: &[f32], into: &mut [f32], mask: &mut [u8]) {
        assert!(values.len() == into.len() && values.len() == mask.len());
        let length = values.len().checked_div(examples).unwrap_or(0);
        if length == 0 {
            return;
        }
        let stretch = examples.div_ceil(self.threads.max(1));
        let parts = into.chunks_mut(stretch * length).zip(mask.chunks_mut(stretch * length));
        let tasks: Vec<_> = values.chunks(stretch * length).zip(parts).enumerate().collect();
        in_parallel(tasks, |(task, (values, (into, mask)))| {
            let parts = into.chunks_exact_mut(length).zip(mask.chunks_exact_mut(length));
            for (example, (values, (into, mask))) in values.chunks_exact(length).zip(parts).enumerate() {
                let stream = self.purpose.stream(self.step, (self.first + task * stretch + example) as u32);
                // SAFETY: the lengths are equal.
                unsafe { draw(self.instructions, stream, self.threshold, self.kept, values, into, mask) }
            }
        });
    }

    /// The gradient of the values from that of the products.
    pub fn backward(&self, gradient: &[f32], mask: &[u8], into: &mut [f32]) {
        for ((into, gradient), mask) in into.iter_mut().zip(gradient).zip(mask) {
            *into = gradient * if *mask == 0 { 0.0 } else { self.kept };
        }
    }
}

compiled! {
    unsafe fn draw = generic(
        stream: Stream, threshold: u32, kept: f32, values: &[f32], into: &mut [f32], mask: &mut [u8]
    );
}

#[inline(always)]
unsafe fn generic<V: Vector>(
    mut stream: Stream,
    threshold: u32,
    kept: f32,
    values: &[f32],
    into: &mut [f32],
    mask: &mut [u8],
) {
    const AT_ONCE: usize = 4 * LANES;
    let parts = into.chunks_mut(AT_ONCE).zip(mask.chunks_mut(AT_ONCE));
    for (values, (into, mask)) in values.chunks(AT_ONCE).zip(parts) {
        let bits = stream.many_bits();
        for (((value, into), mask), bits) in values.iter().zip(into).zip(mask).zip(bits) {
            *mask = u8::from(bits >= threshold);
            *into = value * if bits >= threshold { kept } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_hangs_on_its_place_alone() {
        let purpose = Purpose::new(3, "dropout/it");
        for instructions in Instructions::supported().into_iter().chain([Instructions::Portable]) {
            for (examples, length) in [(3, 5), (5, 64), (2, 131), (0, 4), (4, 0)] {
                for (threads, first) in [(1, 0), (3, 0), (3, 11)] {
                    let (threshold, kept) = (1 << 30, 4.0 / 3.0);
                    let dropout = Dropout { purpose, step: 7, first, threshold, kept, instructions, threads };
                    let values: Vec<f32> = (0..examples * length).map(|value| value as f32 - 3.0).collect();
                    let (mut into, mut mask) = (vec![f32::NAN; values.len()], vec![9; values.len()]);
                    dropout.forward(examples, &values, &mut into, &mut mask);
                    let mut back = vec![f32::NAN; values.len()];
                    dropout.backward(&values, &mask, &mut back);
                    assert_eq!(into, back);
                    for example in 0..examples {
                        let mut stream = purpose.stream(7, (first + example) as u32);
                        for at in example * length..(example + 1) * length {
                            let kept = stream.bits() >= 1 << 30;
                            assert_eq!(
                                (into[at], mask[at]),
                                (if kept { values[at] * (4.0 / 3.0) } else { 0.0 }, kept.into())
                            );
                        }
                    }
                }
            }
        }
    }
}
