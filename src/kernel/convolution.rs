//! A convolution alone over a batch, on all threads.

use super::{
    Block, Instructions, Shape,
    batch::{Border, Images, Scratch, stretches, tiles_of_kernel, transpose},
    room, winograd_convolution,
};
use crate::device::in_parallel;

/// A convolution of 3x3 with a border of zeros, as large as what it comes from, and nothing behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Of one image. Inputs and outputs are multiples of 16.
    pub shape: Shape,
    /// What it is computed with.
    pub instructions: Instructions,
    /// On so many threads; the numbers don't hang on them.
    pub threads: usize,
}

impl Convolution {
    /// Whether the kernel serves such a convolution.
    pub fn fits(shape: &Shape) -> bool {
        Block::fits(shape) && shape.inputs.is_multiple_of(16)
    }

    /// Computes `[batch, height, width, outputs]` from `[batch, height, width, inputs]`. `kernel`: `[outputs, 3, 3, inputs]`.
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn forward(&self, images: &[f32], kernel: &[f32], bias: Option<&[f32]>, into: &mut [f32]) {
        let mut turned = Scratch::new(kernel.len());
        transpose(kernel, turned.numbers(), self.shape.outputs);
        self.convolve(images, turned.numbers(), bias, into);
    }

    /// The gradient of the images from that of the outputs: a convolution, too, with the kernel turned round.
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn input_gradient(&self, gradient: &[f32], kernel: &[f32], into: &mut [f32]) {
        let Shape { height, width, inputs, outputs } = self.shape;
        assert!(kernel.len() == 9 * inputs * outputs);
        let mut turned = Scratch::new(kernel.len());
        for (at, weights) in turned.numbers()[..kernel.len()].chunks_exact_mut(inputs).enumerate() {
            let (tap, output) = (8 - at / outputs, at % outputs);
            weights.copy_from_slice(&kernel[(output * 9 + tap) * inputs..][..inputs]);
        }
        let shape = Shape { height, width, inputs: outputs, outputs: inputs };
        Convolution { shape, ..*self }.convolve(gradient, turned.numbers(), None, into);
    }

    /// With a kernel of `[3, 3, inputs, outputs]`.
    fn convolve(&self, images: &[f32], kernel: &[f32], bias: Option<&[f32]>, into: &mut [f32]) {
        let Shape { height, width, inputs, outputs } = self.shape;
        let length = height * width * outputs;
        let count = into.len() / length;
        assert!(into.len() == count * length && images.len() == count * height * width * inputs);
        let mut tiles = tiles_of_kernel(self.instructions, kernel, inputs * outputs);
        let tiles: &[f32] = tiles.numbers();
        let zeros = vec![0.0; if bias.is_some() { 0 } else { outputs }];
        let bias = bias.unwrap_or(&zeros);
        assert!(bias.len() == outputs);
        let border = Border { shape: self.shape, same: true };
        let mut into = into;
        let mut tasks = Vec::new();
        for stretch in stretches(self.threads, count) {
            let own = into.split_off_mut(..stretch.len() * length).expect("as many as there are images");
            tasks.push((stretch, own));
        }
        in_parallel(tasks, |(stretch, into)| {
            let mut padded = Scratch::new(self.shape.padded());
            let mut room = Scratch::new(room(&self.shape));
            for (image, into) in stretch.zip(into.chunks_exact_mut(length)) {
                let image = border.padded(Images::Numbers(images), image, padded.numbers());
                // SAFETY: the lengths are those of the shape.
                unsafe {
                    let (image, kernel, bias) = (image.as_ptr(), tiles.as_ptr(), bias.as_ptr());
                    let (into, room) = (into.as_mut_ptr(), room.numbers().as_mut_ptr());
                    winograd_convolution(self.instructions, image, kernel, bias, into, room, &self.shape);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::trial::{all_instructions, close, numbers};

    #[test]
    fn a_convolution_gives_what_plain_loops_give() {
        for (height, width, inputs, outputs) in [(2, 2, 16, 16), (6, 4, 32, 48), (8, 10, 16, 32), (2, 6, 48, 16)] {
            let shape = Shape { height, width, inputs, outputs };
            let (values, slopes) =
                (numbers(2 * height * width * inputs, "a"), numbers(2 * height * width * outputs, "b"));
            let (kernel, bias) = (numbers(9 * inputs * outputs, "kernel"), numbers(outputs, "bias"));
            let (mut want, mut want_back) = (vec![0.0; slopes.len()], vec![0.0; values.len()]);
            for at in 0..slopes.len() {
                let (place, output) = (at / outputs, at % outputs);
                let (image, row, column) = (place / width / height, place / width % height, place % width);
                want[at] = f64::from(bias[output]);
                for tap in 0..9 {
                    let (row, column) = ((row + tap / 3).wrapping_sub(1), (column + tap % 3).wrapping_sub(1));
                    if row < height && column < width {
                        for input in 0..inputs {
                            let from = ((image * height + row) * width + column) * inputs + input;
                            let weight = f64::from(kernel[(output * 9 + tap) * inputs + input]);
                            want[at] += f64::from(values[from]) * weight;
                            want_back[from] += f64::from(slopes[at]) * weight;
                        }
                    }
                }
            }
            for instructions in all_instructions() {
                for threads in [1, 3] {
                    let convolution = Convolution { shape, instructions, threads };
                    let mut got = vec![f32::NAN; want.len()];
                    convolution.forward(&values, &kernel, Some(&bias), &mut got);
                    close("output", &got, &want);
                    let mut got = vec![f32::NAN; want_back.len()];
                    convolution.input_gradient(&slopes, &kernel, &mut got);
                    close("gradient", &got, &want_back);
                }
            }
        }
    }
}
