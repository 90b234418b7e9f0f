//! Convolution, max-pooling and ReLU over a batch, on all threads.

use super::{
    Instructions, Lists, Quads, Shape, TILE,
    batch::{Border, Images, Scratch, stretches, tiles_of_kernel, transpose},
    first_gradient, forward, input_gradient, room, weight_gradient, winograd,
};
use crate::device::in_parallel;
use std::ops::Range;

/// Convolution of 3x3, maximum over windows of 2x2, and ReLU where it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Of one image.
    pub shape: Shape,
    /// Whether images come without the border of zeros that the convolution reads.
    pub same: bool,
    /// Whether what isn't above 0 becomes 0.
    pub relu: bool,
    /// What it is computed with.
    pub instructions: Instructions,
    /// On so many threads. How sums are rounded hangs on it.
    pub threads: usize,
}

/// What the way back gives.
pub struct Gradients {
    /// `[outputs, 3, 3, inputs]`
    pub kernel: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
}

/// How many windows the lists of a group of images are to hold at least: fewer aren't worth fetching the sums for.
const WINDOWS_OF_A_GROUP: usize = 64;

impl Block {
    /// Whether kernels serve such a block.
    pub fn fits(shape: &Shape) -> bool {
        let Shape { height, width, inputs, outputs } = *shape;
        let even = height > 0 && width > 0 && height.is_multiple_of(2) && width.is_multiple_of(2);
        let most = (height + 2).saturating_mul(width + 2).saturating_mul(inputs);
        even && (inputs == 1 || inputs == 3 || inputs.is_multiple_of(16) && inputs > 0)
            && outputs > 0
            && outputs.is_multiple_of(16)
            // Places are counted in 32 bits, for groups of images too.
            && most < 1 << 24
    }

    fn border(&self) -> Border {
        Border { shape: self.shape, same: self.same }
    }

    /// A kernel, `[outputs, 3, 3, inputs]`, as [`Block::forward`] reads it: the same for all batches as long as it stays.
    ///
    /// # Panics
    /// Where it has another length.
    pub fn turned(&self, kernel: &[f32]) -> Scratch {
        let Shape { inputs, outputs, .. } = self.shape;
        assert!(kernel.len() == 9 * inputs * outputs);
        let mut turned = Scratch::new(kernel.len());
        transpose(kernel, turned.numbers(), outputs);
        if inputs < 16 {
            return turned;
        }
        tiles_of_kernel(self.instructions, turned.kept(), inputs * outputs)
    }

    /// Computes maxima and codes, both `[batch, height / 2, width / 2, outputs]`, with a kernel that was [`turned`](Block::turned).
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn forward(
        &self,
        images: Images<'_>,
        turned: &Scratch,
        bias: Option<&[f32]>,
        pooled: &mut [f32],
        codes: &mut [u8],
    ) {
        let Shape { inputs, outputs, .. } = self.shape;
        let length = self.shape.pooled();
        let count = pooled.len() / length;
        assert!(pooled.len() == count * length && codes.len() == pooled.len());
        let wide = inputs >= 16;
        let turned = turned.kept();
        let taps = if wide { TILE } else { 9 };
        assert!(images.length() == count * self.border().image_length() && turned.len() >= taps * inputs * outputs);
        let zeros = vec![0.0; inputs.max(outputs)];
        let bias = bias.unwrap_or(&zeros[..outputs]);
        assert!(bias.len() == outputs);
        let mut tasks = Vec::new();
        let (mut pooled, mut codes) = (pooled, codes);
        for stretch in stretches(self.threads, count) {
            let own = pooled.split_off_mut(..stretch.len() * length).expect("as many as there are images");
            let own_codes = codes.split_off_mut(..stretch.len() * length).expect("as many as there are images");
            tasks.push((stretch, own, own_codes));
        }
        // Wide images of numbers are read where they lie.
        let is_padded = !wide || matches!(images, Images::Bytes { .. });
        in_parallel(tasks, |(stretch, pooled, codes)| {
            let mut padded = Scratch::new(if is_padded { self.shape.padded() } else { 0 });
            let mut room = Scratch::new(if wide { room(&self.shape) } else { 0 });
            let outputs = pooled.chunks_exact_mut(length).zip(codes.chunks_exact_mut(length));
            for (image, (pooled, codes)) in stretch.zip(outputs) {
                let (pooled, codes) = (pooled.as_mut_ptr(), codes.as_mut_ptr());
                let (kernel, bias) = (turned.as_ptr(), bias.as_ptr());
                let (instructions, shape, relu) = (self.instructions, &self.shape, self.relu);
                if wide {
                    let image = self.border().picture(images, image, padded.numbers(), &zeros);
                    let room = room.numbers().as_mut_ptr();
                    // SAFETY: the lengths are those of the shape.
                    unsafe { winograd(instructions, image, kernel, bias, pooled, codes, room, shape, relu) }
                } else {
                    let image = self.border().padded(images, image, padded.numbers()).as_ptr();
                    // SAFETY: as above.
                    unsafe { forward(instructions, image, kernel, bias, pooled, codes, shape, relu) }
                }
            }
        });
    }

    /// Computes gradients from those of the maxima; with `into`, `[batch, height, width, inputs]`, those of the images too.
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn backward(
        &self,
        images: Images<'_>,
        kernel: &[f32],
        gradient: &[f32],
        codes: &[u8],
        into: Option<&mut [f32]>,
    ) -> Gradients {
        let Shape { inputs, outputs, .. } = self.shape;
        let (length, image_length) = (self.shape.pooled(), self.border().image_length());
        let count = gradient.len() / length;
        assert!(gradient.len() == count * length && codes.len() == gradient.len());
        assert!(images.length() == count * image_length && kernel.len() == 9 * inputs * outputs);
        assert!(into.as_ref().is_none_or(|into| into.len() == count * image_length));
        let stretches = stretches(self.threads, count);
        let mut parts: Vec<(Scratch, Vec<f32>)> =
            stretches.iter().map(|_| (Scratch::new(kernel.len()), vec![0.0; outputs])).collect();
        let mut into = into;
        let mut tasks = Vec::new();
        for (stretch, part) in stretches.into_iter().zip(&mut parts) {
            let own = into
                .as_mut()
                .map(|into| into.split_off_mut(..stretch.len() * image_length).expect("as many as there are images"));
            tasks.push((stretch, part, own));
        }
        in_parallel(tasks, |(stretch, (kernel_sums, bias_sums), into)| {
            let sums = &mut kernel_sums.numbers()[..kernel.len()];
            let (gradient, codes) = (&gradient[stretch.start * length..], &codes[stretch.start * length..]);
            if inputs < 16 {
                self.of_narrow_images(images, stretch.clone(), gradient, codes, sums, bias_sums);
            } else {
                self.of_images(images, stretch.clone(), gradient, codes, sums, bias_sums);
            }
            if let Some(into) = into {
                self.input_gradients(kernel, gradient, codes, into);
            }
        });
        let mut parts = parts.into_iter();
        let (mut kernel_sums, mut bias) = parts.next().expect("there is a stretch");
        let sums = &mut kernel_sums.numbers()[..kernel.len()];
        // In their order, so that the same number of threads gives the same sums.
        for (mut other, other_bias) in parts {
            sums.iter_mut().zip(other.numbers()).for_each(|(sum, other)| *sum += *other);
            bias.iter_mut().zip(other_bias).for_each(|(sum, other)| *sum += other);
        }
        let mut kernel = vec![0.0; kernel.len()];
        match inputs < 16 {
            true => transpose(sums, &mut kernel, 9 * inputs),
            false => kernel.copy_from_slice(sums),
        }
        Gradients { kernel, bias }
    }

    /// Weight gradients, `[outputs, 3, 3, inputs]`, where inputs fill vectors.
    fn of_images(
        &self,
        images: Images<'_>,
        stretch: Range<usize>,
        gradient: &[f32],
        codes: &[u8],
        kernel: &mut [f32],
        bias: &mut [f32],
    ) {
        let (length, padded_length) = (self.shape.pooled(), self.shape.padded());
        let most = WINDOWS_OF_A_GROUP.div_ceil(self.shape.windows()).min(stretch.len().max(1));
        let mut lists = Lists::new(&self.shape, most);
        let mut padded = Scratch::new(most * padded_length);
        let first = stretch.start;
        for group in stretch.clone().step_by(most).map(|from| from..(from + most).min(stretch.end)) {
            lists.clear();
            for (at, image) in group.enumerate() {
                self.border().padded(images, image, &mut padded.numbers()[at * padded_length..]);
                let maxima = (image - first) * length..(image - first + 1) * length;
                lists.add(&gradient[maxima.clone()], &codes[maxima], at * padded_length, &self.shape);
            }
            weight_gradient(self.instructions, padded.numbers(), &lists, kernel, bias, &self.shape);
        }
    }

    /// Weight gradients, `[3, 3, inputs, outputs]`, where images have one or three channels.
    fn of_narrow_images(
        &self,
        images: Images<'_>,
        stretch: Range<usize>,
        gradient: &[f32],
        codes: &[u8],
        kernel: &mut [f32],
        bias: &mut [f32],
    ) {
        let length = self.shape.pooled();
        let (mut padded, mut quads) = (Scratch::new(self.shape.padded()), Quads::default());
        for ((image, gradient), codes) in stretch.zip(gradient.chunks_exact(length)).zip(codes.chunks_exact(length)) {
            let image = self.border().padded(images, image, padded.numbers());
            first_gradient(self.instructions, image, gradient, codes, kernel, bias, &mut quads, &self.shape);
        }
    }

    fn input_gradients(&self, kernel: &[f32], gradient: &[f32], codes: &[u8], into: &mut [f32]) {
        let length = self.shape.pooled();
        let mut padded = Scratch::new(self.shape.padded());
        let maxima = gradient.chunks_exact(length).zip(codes.chunks_exact(length));
        for (into, (gradient, codes)) in into.chunks_exact_mut(self.border().image_length()).zip(maxima) {
            let padded = &mut padded.numbers()[..self.shape.padded()];
            padded.fill(0.0);
            if self.shape.inputs < 16 {
                self.gradient_of_narrow_image(kernel, gradient, codes, padded);
            } else {
                // SAFETY: the lengths are those of the shape.
                unsafe {
                    let (kernel, gradient) = (kernel.as_ptr(), gradient.as_ptr());
                    input_gradient(
                        self.instructions,
                        kernel,
                        gradient,
                        codes.as_ptr(),
                        padded.as_mut_ptr(),
                        &self.shape,
                    );
                }
            }
            self.border().each_row(|row, at| into[row].copy_from_slice(&padded[at]));
        }
    }

    /// Nobody wants the gradient of the model's input, and hardly anybody has so few channels elsewhere: plain loops do.
    fn gradient_of_narrow_image(&self, kernel: &[f32], gradient: &[f32], codes: &[u8], padded: &mut [f32]) {
        let Shape { width, inputs, outputs, .. } = self.shape;
        let line = self.shape.padded_width() * inputs;
        for (at, (&gradient, &code)) in gradient.iter().zip(codes).enumerate().filter(|(_, (_, code))| **code < 4) {
            let (window, output) = (at / outputs, at % outputs);
            let row = 2 * (window / (width / 2)) + usize::from(code) / 2;
            let column = 2 * (window % (width / 2)) + usize::from(code) % 2;
            for tap_row in 0..3 {
                let into = &mut padded[(row + tap_row) * line + column * inputs..][..3 * inputs];
                let weights = &kernel[(output * 9 + tap_row * 3) * inputs..][..3 * inputs];
                into.iter_mut().zip(weights).for_each(|(into, weight)| *into += gradient * weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::trial::{all_instructions, close, numbers};

    /// What plain loops over one image give: maxima, codes, and the gradients of kernel, bias and image.
    struct Plain {
        pooled: Vec<f64>,
        codes: Vec<u8>,
        kernel: Vec<f64>,
        bias: Vec<f64>,
        image: Vec<f64>,
    }

    fn plain(block: &Block, image: &[f32], kernel: &[f32], bias: &[f32], gradient: &[f32]) -> Plain {
        let Shape { height, width, inputs, outputs } = block.shape;
        let [rows, columns, _] = block.border().image();
        let border = isize::from(block.same);
        let place = |row: usize, column: usize, tap: usize, input: usize| {
            let (row, column) = ((row + tap / 3) as isize - border, (column + tap % 3) as isize - border);
            let inside = row >= 0 && column >= 0 && row < rows as isize && column < columns as isize;
            inside.then(|| (row as usize * columns + column as usize) * inputs + input)
        };
        let mut result = Plain {
            pooled: vec![],
            codes: vec![],
            kernel: vec![0.0; kernel.len()],
            bias: vec![0.0; outputs],
            image: vec![0.0; image.len()],
        };
        for window in 0..block.shape.windows() {
            let (top, left) = (2 * (window / (width / 2)), 2 * (window % (width / 2)));
            assert!(top < height);
            for output in 0..outputs {
                let at = |which: usize| {
                    let mut sum = f64::from(bias[output]);
                    for tap in 0..9 {
                        for input in 0..inputs {
                            if let Some(place) = place(top + which / 2, left + which % 2, tap, input) {
                                let weight = kernel[(output * 9 + tap) * inputs + input];
                                sum += f64::from(image[place]) * f64::from(weight);
                            }
                        }
                    }
                    sum
                };
                let (mut largest, mut code) = (at(0), 0);
                for which in 1..4 {
                    if at(which) > largest {
                        (largest, code) = (at(which), which);
                    }
                }
                if block.relu && largest <= 0.0 {
                    (largest, code) = (0.0, 4);
                }
                let slope = f64::from(gradient[result.pooled.len()]);
                result.pooled.push(largest);
                result.codes.push(code as u8);
                if code == 4 {
                    continue;
                }
                result.bias[output] += slope;
                for tap in 0..9 {
                    for input in 0..inputs {
                        if let Some(place) = place(top + code / 2, left + code % 2, tap, input) {
                            let weight = (output * 9 + tap) * inputs + input;
                            result.kernel[weight] += slope * f64::from(image[place]);
                            result.image[place] += slope * f64::from(kernel[weight]);
                        }
                    }
                }
            }
        }
        result
    }

    fn trial(shape: Shape, same: bool, relu: bool, threads: usize) {
        for instructions in all_instructions() {
            let block = Block { shape, same, relu, instructions, threads };
            let what = format!("{block:?}");
            let images = 3;
            let length = block.border().image_length();
            let values = numbers(images * length, "images");
            let kernel = numbers(9 * shape.inputs * shape.outputs, "kernel");
            let bias = numbers(shape.outputs, "bias");
            let gradient = numbers(images * shape.pooled(), "gradient");
            let (mut pooled, mut codes) = (vec![f32::NAN; images * shape.pooled()], vec![9; images * shape.pooled()]);
            block.forward(Images::Numbers(&values), &block.turned(&kernel), Some(&bias), &mut pooled, &mut codes);
            let mut into = vec![f32::NAN; values.len()];
            let back = block.backward(Images::Numbers(&values), &kernel, &gradient, &codes, Some(&mut into));
            let mut sums = (vec![0.0; kernel.len()], vec![0.0; bias.len()]);
            for image in 0..images {
                let of = image * length..(image + 1) * length;
                let maxima = image * shape.pooled()..(image + 1) * shape.pooled();
                let want = plain(&block, &values[of.clone()], &kernel, &bias, &gradient[maxima.clone()]);
                close(&what, &pooled[maxima.clone()], &want.pooled);
                assert_eq!(codes[maxima], want.codes, "{what}");
                close(&what, &into[of], &want.image);
                sums.0.iter_mut().zip(want.kernel).for_each(|(sum, value)| *sum += value);
                sums.1.iter_mut().zip(want.bias).for_each(|(sum, value)| *sum += value);
            }
            close(&what, &back.kernel, &sums.0);
            close(&what, &back.bias, &sums.1);
        }
    }

    #[test]
    fn every_kernel_gives_what_plain_loops_give() {
        for (height, width, inputs, outputs) in [
            (2, 2, 1, 16),
            (4, 6, 3, 16),
            (6, 2, 3, 48),
            (4, 4, 16, 16),
            (2, 6, 32, 48),
            (6, 4, 48, 32),
            (2, 2, 16, 80),
        ] {
            for same in [true, false] {
                for relu in [true, false] {
                    trial(Shape { height, width, inputs, outputs }, same, relu, 2);
                }
            }
        }
    }

    #[test]
    fn bytes_are_scaled_as_they_are_read() {
        for inputs in [1, 3, 16] {
            let shape = Shape { height: 4, width: 4, inputs, outputs: 16 };
            let block = Block {
                shape,
                same: true,
                relu: true,
                instructions: Instructions::supported().first().copied().unwrap_or(Instructions::Portable),
                threads: 1,
            };
            let values: Vec<u8> = (0..16 * inputs).map(|value| (value * 37 % 256) as u8).collect();
            let scale: Vec<f32> = (0..inputs).map(|at| 0.01 + at as f32 * 0.001).collect();
            let offset: Vec<f32> = (0..inputs).map(|at| 0.5 - at as f32).collect();
            let scaled = values.iter().enumerate();
            let scaled: Vec<f32> =
                scaled.map(|(at, byte)| f32::from(*byte) * scale[at % inputs] + offset[at % inputs]).collect();
            let kernel = numbers(9 * inputs * 16, "kernel");
            let result = |images| {
                let (mut pooled, mut codes) = (vec![0.0; shape.pooled()], vec![0; shape.pooled()]);
                block.forward(images, &block.turned(&kernel), None, &mut pooled, &mut codes);
                let back = block.backward(images, &kernel, &pooled, &codes, None);
                (pooled, codes, back.kernel, back.bias)
            };
            let bytes = Images::Bytes { values: &values, scale: &scale, offset: &offset };
            assert_eq!(result(bytes), result(Images::Numbers(&scaled)));
        }
    }

    #[test]
    fn equal_threads_give_equal_bits_and_no_image_hangs_on_others() {
        let shape = Shape { height: 4, width: 4, inputs: 16, outputs: 32 };
        let values = numbers(9 * 256, "images");
        let kernel = numbers(9 * 16 * 32, "kernel");
        let of = |threads, images: usize| {
            let block = Block {
                shape,
                same: true,
                relu: true,
                instructions: Instructions::supported().first().copied().unwrap_or(Instructions::Portable),
                threads,
            };
            let (mut pooled, mut codes) = (vec![0.0; images * shape.pooled()], vec![0; images * shape.pooled()]);
            let images = Images::Numbers(&values[..images * 256]);
            block.forward(images, &block.turned(&kernel), None, &mut pooled, &mut codes);
            let back = block.backward(images, &kernel, &pooled, &codes, None);
            (pooled, codes, back.kernel)
        };
        assert_eq!(of(3, 9), of(3, 9));
        assert_eq!(of(1, 9).0, of(4, 9).0);
        assert_eq!(of(1, 5).0, of(2, 9).0[..5 * shape.pooled()]);
        assert!(of(2, 0).0.is_empty());
    }

    #[test]
    fn what_is_no_number_is_not_lost_and_the_first_of_equals_counts() {
        let shape = Shape { height: 2, width: 2, inputs: 16, outputs: 16 };
        for instructions in all_instructions() {
            let block = Block { shape, same: true, relu: true, instructions, threads: 1 };
            let result = |values: &[f32]| {
                let (mut pooled, mut codes) = (vec![0.0; 16], vec![0; 16]);
                block.forward(Images::Numbers(values), &block.turned(&[1.0; 9 * 256]), None, &mut pooled, &mut codes);
                (pooled, codes)
            };
            let mut values = [1.0; 64];
            assert_eq!(result(&values), (vec![64.0; 16], vec![0; 16]));
            values[40] = f32::NAN;
            assert!(result(&values).0.iter().all(|value| value.is_nan()), "{instructions:?}");
            assert_eq!(result(&[-1.0; 64]), (vec![0.0; 16], vec![4; 16]));
        }
    }
}
