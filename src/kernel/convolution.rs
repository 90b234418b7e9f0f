//! A convolution alone over a batch, on all threads.

use super::{
    Block, Instructions, Moments, Picture, Shape, Slopes, TILE,
    batch::{Scratch, stretches, tiles_of_kernel, transpose},
    kernel_of_products, products_room, room, tile_products, winograd_convolution,
};
use crate::device::in_parallel;

/// A convolution of 3x3 with a border of zeros, as large as what it comes from, and nothing behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Of one image. Inputs and outputs are multiples of 16.
    pub shape: Shape,
    /// What it is computed with.
    pub instructions: Instructions,
    /// On so many threads. How the sums for the kernel's gradient are rounded hangs on it.
    pub threads: usize,
}

/// The gradient of what a convolution gives.
#[derive(Clone, Copy)]
pub enum OutputGradient<'a> {
    /// `[batch, height, width, outputs]`
    Numbers(&'a [f32]),
    /// That which a normalization behind it hands back: computed for each image when its turn comes, and kept no longer.
    Normalized(&'a Slopes<'a>),
}

impl OutputGradient<'_> {
    fn length(&self) -> usize {
        match self {
            OutputGradient::Numbers(numbers) => numbers.len(),
            OutputGradient::Normalized(slopes) => slopes.length(),
        }
    }

    /// That of an image of so many numbers, which may be computed into `own`.
    fn of_image<'s>(&'s self, image: usize, length: usize, own: &'s mut [f32]) -> &'s [f32] {
        match self {
            OutputGradient::Numbers(numbers) => &numbers[image * length..][..length],
            OutputGradient::Normalized(slopes) => {
                let own = &mut own[..length];
                slopes.write_part(image * length, own);
                own
            }
        }
    }

    /// Room for computing an image of so many numbers.
    fn room(&self, length: usize) -> Scratch {
        Scratch::new(if matches!(self, OutputGradient::Numbers(_)) { 0 } else { length })
    }
}

impl Convolution {
    /// Whether the kernel serves such a convolution.
    pub fn fits(shape: &Shape) -> bool {
        Block::fits(shape) && shape.inputs.is_multiple_of(16)
    }

    /// Whether the gradient of the kernel is faster here than by libtorch: while its sums stay in a processor's own cache.
    pub fn has_kernel_gradient(&self) -> bool {
        self.shape.inputs * self.shape.outputs <= 1 << 13
    }

    /// A kernel, `[outputs, 3, 3, inputs]`, as [`Convolution::forward`] reads it: the same for all batches as long as it stays.
    pub fn turned(&self, kernel: &[f32]) -> Scratch {
        let mut turned = Scratch::new(kernel.len());
        transpose(kernel, turned.numbers(), self.shape.outputs);
        tiles_of_kernel(self.instructions, turned.kept(), self.shape.inputs * self.shape.outputs)
    }

    /// Computes `[batch, height, width, outputs]` from `[batch, height, width, inputs]`, with a kernel that was
    /// [`turned`](Convolution::turned). What `moments` want to know of an image is found while it is in the cache.
    ///
    /// # Panics
    /// Where a slice has another length, or `moments` are of other images.
    pub fn forward(
        &self,
        images: &[f32],
        turned: &Scratch,
        bias: Option<&[f32]>,
        moments: Option<&mut Moments>,
        into: &mut [f32],
    ) {
        let Shape { height, width, inputs, outputs } = self.shape;
        let (image_length, length) = (height * width * inputs, height * width * outputs);
        let count = into.len() / length;
        assert!(into.len() == count * length && images.len() == count * image_length);
        let tiles = turned.kept();
        assert!(tiles.len() >= TILE * inputs * outputs);
        let zeros = vec![0.0; inputs.max(outputs)];
        let bias = bias.unwrap_or(&zeros[..outputs]);
        assert!(bias.len() == outputs);
        assert!(moments.as_ref().is_none_or(|moments| moments.are_of(count, outputs, length)));
        let (normalization, mut found) = moments.map(Moments::of_images).unzip();
        let mut into = into;
        let mut tasks = Vec::new();
        for stretch in stretches(self.threads, count) {
            let own = into.split_off_mut(..stretch.len() * length).expect("as many as there are images");
            let found: Vec<&mut [f32]> = found.iter_mut().flatten().take(stretch.len()).collect();
            tasks.push((stretch, own, found));
        }
        in_parallel(tasks, |(stretch, into, found)| {
            let mut found = found.into_iter();
            let mut room = Scratch::new(room(&self.shape));
            let images = images[stretch.start * image_length..].chunks_exact(image_length);
            for (image, into) in images.zip(into.chunks_exact_mut(length)) {
                let image = Picture::surrounded(image, &zeros, &self.shape);
                let (kernel, bias) = (tiles.as_ptr(), bias.as_ptr());
                let (numbers, room) = (into.as_mut_ptr(), room.numbers().as_mut_ptr());
                // SAFETY: the lengths are those of the shape.
                unsafe { winograd_convolution(self.instructions, image, kernel, bias, numbers, room, &self.shape) }
                if let (Some(normalization), Some(found)) = (normalization, found.next()) {
                    normalization.look_at(into, found);
                }
            }
        });
    }

    /// The gradients of the images, into `of_images` where it is given, and of the kernel, `[outputs, 3, 3, inputs]`, where that is
    /// wanted, from `slopes`, the gradient of the outputs. That of the images is a convolution, too, with the kernel turned round.
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn backward(
        &self,
        images: &[f32],
        slopes: OutputGradient<'_>,
        kernel: &[f32],
        of_images: Option<&mut [f32]>,
        wants_kernel: bool,
    ) -> Option<Vec<f32>> {
        let Shape { height, width, inputs, outputs } = self.shape;
        let pairs = inputs * outputs;
        let (length, slopes_length) = (height * width * inputs, height * width * outputs);
        let count = images.len() / length;
        assert!(
            images.len() == count * length && slopes.length() == count * slopes_length && kernel.len() == 9 * pairs
        );
        assert!(of_images.as_ref().is_none_or(|into| into.len() == images.len()));
        let wants_images = of_images.is_some();
        if !(wants_images || wants_kernel) {
            return None;
        }
        let mut of_images = of_images.unwrap_or_default();
        let mut turned = Scratch::new(if wants_images { kernel.len() } else { 0 });
        for (at, weights) in turned.numbers().chunks_exact_mut(inputs).enumerate() {
            let (tap, output) = (8 - at / outputs, at % outputs);
            weights.copy_from_slice(&kernel[(output * 9 + tap) * inputs..][..inputs]);
        }
        let mut tiles = match wants_images {
            true => tiles_of_kernel(self.instructions, turned.numbers(), pairs),
            false => Scratch::default(),
        };
        let tiles: &[f32] = tiles.numbers();
        let zeros = vec![0.0; inputs.max(outputs)];
        let turned_shape = Shape { height, width, inputs: outputs, outputs: inputs };
        let stretches = stretches(self.threads, count);
        let mut all: Vec<Scratch> =
            stretches.iter().map(|_| Scratch::new(if wants_kernel { TILE * pairs } else { 0 })).collect();
        let mut tasks = Vec::new();
        for (stretch, sums) in stretches.into_iter().zip(&mut all) {
            let own = if wants_images { stretch.len() * length } else { 0 };
            tasks.push((stretch, of_images.split_off_mut(..own).expect("as many as there are images"), sums));
        }
        in_parallel(tasks, |(stretch, mut of_images, sums)| {
            let mut own_slopes = slopes.room(slopes_length);
            let mut space = Scratch::new(room(&turned_shape).max(products_room(&self.shape)));
            for image in stretch {
                let slopes = slopes.of_image(image, slopes_length, own_slopes.numbers());
                let space = space.numbers().as_mut_ptr();
                if let Some(into) = of_images.split_off_mut(..length).filter(|_| wants_images) {
                    let slopes = Picture::surrounded(slopes, &zeros, &turned_shape);
                    let (into, tiles, bias) = (into.as_mut_ptr(), tiles.as_ptr(), zeros.as_ptr());
                    // SAFETY: the lengths are those of the shape.
                    unsafe { winograd_convolution(self.instructions, slopes, tiles, bias, into, space, &turned_shape) }
                }
                if wants_kernel {
                    let image = Picture::surrounded(&images[image * length..][..length], &zeros, &self.shape);
                    let (slopes, sums) = (slopes.as_ptr(), sums.numbers().as_mut_ptr());
                    // SAFETY: as above.
                    unsafe { tile_products(self.instructions, image, slopes, sums, space, &self.shape) }
                }
            }
        });
        let mut all = all.into_iter();
        let mut sums = all.next().filter(|_| wants_kernel)?;
        for other in &mut all {
            let mut other = other;
            sums.numbers().iter_mut().zip(other.numbers()).for_each(|(sum, other)| *sum += *other);
        }
        let mut of_kernel = Scratch::new(9 * pairs);
        // SAFETY: both have so many numbers.
        unsafe {
            let (sums, of_kernel) = (sums.numbers().as_ptr(), of_kernel.numbers().as_mut_ptr());
            kernel_of_products(self.instructions, sums, of_kernel, pairs);
        }
        let mut stored = vec![0.0; 9 * pairs];
        transpose(of_kernel.numbers(), &mut stored, 9 * inputs);
        Some(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{
        Back, Cut, Normalization, Scaling,
        trial::{all_instructions, close, numbers},
    };

    #[test]
    fn a_convolution_gives_what_plain_loops_give() {
        for (height, width, inputs, outputs) in [(2, 2, 16, 16), (6, 4, 32, 48), (8, 10, 16, 32), (2, 6, 48, 16)] {
            let shape = Shape { height, width, inputs, outputs };
            let (values, slopes) =
                (numbers(2 * height * width * inputs, "a"), numbers(2 * height * width * outputs, "b"));
            let (kernel, bias) = (numbers(9 * inputs * outputs, "kernel"), numbers(outputs, "bias"));
            let (mut want, mut want_back) = (vec![0.0; slopes.len()], vec![0.0; values.len()]);
            let mut want_kernel = vec![0.0; kernel.len()];
            for at in 0..slopes.len() {
                let (place, output) = (at / outputs, at % outputs);
                let (image, row, column) = (place / width / height, place / width % height, place % width);
                want[at] = f64::from(bias[output]);
                for tap in 0..9 {
                    let (row, column) = ((row + tap / 3).wrapping_sub(1), (column + tap % 3).wrapping_sub(1));
                    if row < height && column < width {
                        for input in 0..inputs {
                            let from = ((image * height + row) * width + column) * inputs + input;
                            let place = (output * 9 + tap) * inputs + input;
                            let weight = f64::from(kernel[place]);
                            want[at] += f64::from(values[from]) * weight;
                            want_back[from] += f64::from(slopes[at]) * weight;
                            want_kernel[place] += f64::from(slopes[at]) * f64::from(values[from]);
                        }
                    }
                }
            }
            for instructions in all_instructions() {
                for threads in [1, 3] {
                    let convolution = Convolution { shape, instructions, threads };
                    let mut got = vec![f32::NAN; want.len()];
                    convolution.forward(&values, &convolution.turned(&kernel), Some(&bias), None, &mut got);
                    close("output", &got, &want);
                    let mut got = vec![f32::NAN; want_back.len()];
                    let of_kernel =
                        convolution.backward(&values, OutputGradient::Numbers(&slopes), &kernel, Some(&mut got), true);
                    close("gradient", &got, &want_back);
                    close("kernel", &of_kernel.expect("wanted"), &want_kernel);
                    // One of them alone.
                    let of_kernel =
                        convolution.backward(&values, OutputGradient::Numbers(&slopes), &kernel, None, true);
                    close("kernel", &of_kernel.expect("wanted"), &want_kernel);
                    got.fill(f32::NAN);
                    assert_eq!(
                        convolution.backward(&values, OutputGradient::Numbers(&slopes), &kernel, Some(&mut got), false),
                        None
                    );
                    close("gradient", &got, &want_back);
                }
            }
        }
    }

    #[test]
    fn what_a_normalization_behind_it_computes_in_between_is_what_it_computes_alone() {
        for (height, width, inputs, outputs) in [(2, 2, 16, 16), (32, 18, 16, 48)] {
            let shape = Shape { height, width, inputs, outputs };
            let values = numbers(3 * height * width * inputs, "values");
            let kernel = numbers(9 * inputs * outputs, "kernel");
            for instructions in all_instructions() {
                for threads in [1, 2] {
                    let convolution = Convolution { shape, instructions, threads };
                    let normalization = Normalization { channels: outputs, cut: Cut::Relu, instructions, threads };
                    let mut output = vec![f32::NAN; 3 * height * width * outputs];
                    let mut moments = Moments::new(normalization, 3, height * width * outputs);
                    let turned = convolution.turned(&kernel);
                    convolution.forward(&values, &turned, None, Some(&mut moments), &mut output);
                    let (got, want) = (moments.statistics(), normalization.statistics(&output));
                    let exact = |numbers: &[f32]| numbers.iter().map(|n| f64::from(*n)).collect::<Vec<_>>();
                    close("mean", &got.mean, &exact(&want.mean));
                    close("variance", &got.variance, &exact(&want.variance));

                    let gradient = numbers(output.len(), "gradient");
                    let [factor, offset, a, b] = ["factor", "offset", "a", "b"].map(|name| numbers(outputs, name));
                    let scaling = Scaling { factor: &factor, offset: &offset };
                    let back = Back { gradient: &gradient, values: &output, mean: &got.mean, scaling, output: None };
                    let slopes = normalization.slopes(back, [&a, &b]);
                    let mut written = vec![f32::NAN; output.len()];
                    slopes.write(&mut written);
                    let [of_numbers, of_normalized] =
                        [OutputGradient::Numbers(&written), OutputGradient::Normalized(&slopes)].map(|gradient| {
                            let mut of_images = vec![f32::NAN; values.len()];
                            let of_kernel =
                                convolution.backward(&values, gradient, &kernel, Some(&mut of_images), true);
                            (of_images, of_kernel)
                        });
                    assert_eq!(of_normalized, of_numbers);
                }
            }
        }
    }
}
