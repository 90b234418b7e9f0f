//! A convolution of 3x3 of each channel on its own, over a batch, on all threads.
//!
//! A number costs nine multiplications and is made of nine others, most of which were just read: what it takes is reading and
//! writing images, so every kernel goes through them once, row by row.

use super::{
    Instructions,
    batch::{Scratch, in_stretches, stretches, total, transpose},
    compiled,
    vector::Vector,
};
use crate::device::in_parallel;

/// A convolution of 3x3 whose channels stay apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Rows and columns of an image.
    pub input: [usize; 2],
    /// Rows and columns of what becomes of it.
    pub output: [usize; 2],
    /// A multiple of 16.
    pub channels: usize,
    /// Rows and columns from one window to the next.
    pub stride: usize,
    /// Rows of zeros above the image, and columns left of it; below and to the right there are as many as windows reach.
    pub border: usize,
    /// What it is computed with.
    pub instructions: Instructions,
    /// On so many threads. How the kernel's gradient is rounded hangs on it.
    pub threads: usize,
}

/// From where, along an axis, a number is made: the taps of the kernel and the places in memory.
#[derive(Clone, Copy, Default)]
struct Taps {
    count: usize,
    /// Of each, in the kernel's order: the tap, and how far it reaches, in numbers.
    all: [(usize, usize); 3],
}

impl Taps {
    fn add(&mut self, tap: usize, place: usize) {
        self.all[self.count] = (tap, place);
        self.count += 1;
    }
}

/// What lies along both axes.
struct Window {
    rows: Vec<Taps>,
    columns: Vec<Taps>,
}

impl Depthwise {
    /// Whether the kernel serves such a convolution.
    pub fn fits(&self) -> bool {
        let reaches = |axis: usize| {
            let Some(last) = self.output[axis].checked_sub(1) else { return false };
            // Every window has a part of the image in it.
            last * self.stride < self.input[axis] + self.border
        };
        self.channels > 0 && self.channels.is_multiple_of(16) && self.border <= 1 && reaches(0) && reaches(1)
    }

    /// Numbers of an image.
    fn length(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    /// Numbers of what becomes of it.
    fn output_length(&self) -> usize {
        self.output[0] * self.output[1] * self.channels
    }

    /// For every place of the output, what of the image it is made of.
    fn there(&self) -> Window {
        self.window(
            |axis, step| {
                (0..self.output[axis]).map(move |at| {
                    let mut taps = Taps::default();
                    for tap in 0..3 {
                        if let Some(from) = (at * self.stride + tap).checked_sub(self.border)
                            && from < self.input[axis]
                        {
                            taps.add(tap, from * step);
                        }
                    }
                    taps
                })
            },
            self.input[1],
        )
    }

    /// For every place of the image, what of the output is made of it.
    fn back(&self) -> Window {
        self.window(
            |axis, step| {
                (0..self.input[axis]).map(move |at| {
                    let mut taps = Taps::default();
                    for tap in 0..3 {
                        if let Some(from) = (at + self.border).checked_sub(tap)
                            && from % self.stride == 0
                            && from / self.stride < self.output[axis]
                        {
                            taps.add(tap, from / self.stride * step);
                        }
                    }
                    taps
                })
            },
            self.output[1],
        )
    }

    /// Both axes, where an image that is read has so many columns.
    fn window<I: Iterator<Item = Taps>>(&self, taps: impl Fn(usize, usize) -> I, columns: usize) -> Window {
        let step = self.channels;
        Window { rows: taps(0, columns * step).collect(), columns: taps(1, step).collect() }
    }

    /// A kernel, `[channels, 3, 3]`, as [`Depthwise::forward`] reads it: the same for all batches as long as it stays.
    pub fn turned(&self, kernel: &[f32]) -> Scratch {
        assert!(kernel.len() == 9 * self.channels);
        let mut turned = Scratch::new(kernel.len());
        transpose(kernel, turned.numbers(), self.channels);
        turned
    }

    /// Computes `[batch, rows, columns, channels]` of the output from that of images, with a kernel that was
    /// [`turned`](Depthwise::turned).
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn forward(&self, images: &[f32], turned: &Scratch, bias: Option<&[f32]>, into: &mut [f32]) {
        let zeros = vec![0.0; if bias.is_some() { 0 } else { self.channels }];
        let bias = bias.unwrap_or(&zeros);
        self.gather(images, turned, bias, into, &self.there(), [self.length(), self.output_length()]);
    }

    /// The gradients of the images, into `of_images` where it is given, and of the kernel, `[channels, 3, 3]`, where that is
    /// wanted, from `slopes`, the gradient of the outputs.
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn backward(
        &self,
        images: &[f32],
        slopes: &[f32],
        kernel: &[f32],
        of_images: Option<&mut [f32]>,
        wants_kernel: bool,
    ) -> Option<Vec<f32>> {
        if let Some(into) = of_images {
            let zeros = vec![0.0; self.channels];
            let lengths = [self.output_length(), self.length()];
            self.gather(slopes, &self.turned(kernel), &zeros, into, &self.back(), lengths);
        }
        wants_kernel.then(|| self.kernel_gradient(images, slopes))
    }

    /// Makes every number of `into` of those of `from` that the window says; both have so many numbers an image.
    fn gather(
        &self,
        from: &[f32],
        turned: &Scratch,
        bias: &[f32],
        into: &mut [f32],
        window: &Window,
        [from_length, length]: [usize; 2],
    ) {
        assert!(from.len() == into.len() / length * from_length);
        assert!(turned.kept().len() >= 9 * self.channels && bias.len() == self.channels);
        in_stretches(self.threads, into, length, |stretch, into| {
            for (image, into) in stretch.zip(into.chunks_exact_mut(length)) {
                let from = from[image * from_length..].as_ptr();
                let (kernel, bias) = (turned.kept().as_ptr(), bias.as_ptr());
                // SAFETY: the window names only places within an image, and the lengths are those of the shape.
                unsafe { gather(self.instructions, from, kernel, bias, into.as_mut_ptr(), window, self.channels) }
            }
        });
    }

    fn kernel_gradient(&self, images: &[f32], slopes: &[f32]) -> Vec<f32> {
        let (length, slopes_length) = (self.length(), self.output_length());
        let count = images.len() / length;
        assert!(images.len() == count * length && slopes.len() == count * slopes_length);
        let window = self.there();
        let stretches = stretches(self.threads, count);
        let mut all: Vec<Scratch> = stretches.iter().map(|_| Scratch::new(9 * self.channels)).collect();
        in_parallel(stretches.into_iter().zip(&mut all).collect(), |(stretch, sums)| {
            for image in stretch {
                let (image, slopes) = (images[image * length..].as_ptr(), slopes[image * slopes_length..].as_ptr());
                let sums = sums.numbers().as_mut_ptr();
                // SAFETY: as above.
                unsafe { add_products(self.instructions, image, slopes, sums, &window, self.channels) }
            }
        });
        let sums = total(all).expect("there is a stretch");
        let mut stored = vec![0.0; 9 * self.channels];
        transpose(&sums.kept()[..9 * self.channels], &mut stored, 9);
        stored
    }
}

compiled! {
    /// An image of what the window makes of another one; the kernel is `[3, 3, channels]`.
    unsafe fn gather = gather_by(
        from: *const f32, kernel: *const f32, bias: *const f32, into: *mut f32, window: &Window, channels: usize,
    );
}

compiled! {
    /// Adds to `sums`, `[3, 3, channels]`, the products of an image and the slopes of what became of it.
    unsafe fn add_products = add_products_by(
        image: *const f32, slopes: *const f32, sums: *mut f32, window: &Window, channels: usize,
    );
}

#[inline(always)]
unsafe fn gather_by<V: Vector>(
    from: *const f32,
    kernel: *const f32,
    bias: *const f32,
    into: *mut f32,
    window: &Window,
    channels: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        for (row, rows) in window.rows.iter().enumerate() {
            let line = into.add(row * window.columns.len() * channels);
            for channel in (0..channels).step_by(V::LANES) {
                let weights: [V; 9] = std::array::from_fn(|tap| V::load(kernel.add(tap * channels + channel)));
                let start = V::load(bias.add(channel));
                for (column, columns) in window.columns.iter().enumerate() {
                    let mut sum = start;
                    if rows.count == 3 && columns.count == 3 {
                        // All nine, in the kernel's order.
                        for (tap_row, (_, line)) in rows.all.iter().enumerate() {
                            for (tap, (_, place)) in columns.all.iter().enumerate() {
                                let value = V::load(from.add(line + place + channel));
                                sum = sum.plus_product(value, weights[3 * tap_row + tap]);
                            }
                        }
                    } else {
                        for (tap_row, line) in &rows.all[..rows.count] {
                            for (tap, place) in &columns.all[..columns.count] {
                                let weight = V::load(kernel.add((3 * tap_row + tap) * channels + channel));
                                sum = sum.plus_product(V::load(from.add(line + place + channel)), weight);
                            }
                        }
                    }
                    sum.store(line.add(column * channels + channel));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn add_products_by<V: Vector>(
    image: *const f32,
    slopes: *const f32,
    sums: *mut f32,
    window: &Window,
    channels: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        for (row, rows) in window.rows.iter().enumerate() {
            let line = slopes.add(row * window.columns.len() * channels);
            for channel in (0..channels).step_by(V::LANES) {
                let mut all: [V; 9] = std::array::from_fn(|tap| V::load(sums.add(tap * channels + channel)));
                for (column, columns) in window.columns.iter().enumerate() {
                    let slope = V::load(line.add(column * channels + channel));
                    if rows.count == 3 && columns.count == 3 {
                        for (tap_row, (_, line)) in rows.all.iter().enumerate() {
                            for (tap, (_, place)) in columns.all.iter().enumerate() {
                                let sum = &mut all[3 * tap_row + tap];
                                *sum = sum.plus_product(V::load(image.add(line + place + channel)), slope);
                            }
                        }
                    } else {
                        for (tap_row, line) in &rows.all[..rows.count] {
                            for (tap, place) in &columns.all[..columns.count] {
                                let sum = &mut all[3 * tap_row + tap];
                                *sum = sum.plus_product(V::load(image.add(line + place + channel)), slope);
                            }
                        }
                    }
                }
                all.iter().enumerate().for_each(|(tap, sum)| sum.store(sums.add(tap * channels + channel)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::trial::{all_instructions, close, numbers};

    #[test]
    fn it_gives_what_plain_loops_give() {
        for (input, output, stride, border) in [
            ([4, 6], [4, 6], 1, 1),
            ([1, 1], [1, 1], 1, 1),
            ([5, 2], [5, 2], 1, 1),
            ([6, 7], [4, 5], 1, 0),
            ([6, 4], [3, 2], 2, 1),
            ([7, 5], [3, 2], 2, 0),
            // Padded unevenly: zeros only below and to the right.
            ([6, 4], [3, 2], 2, 0),
        ] {
            let channels = 32;
            let (length, output_length) = (input[0] * input[1] * channels, output[0] * output[1] * channels);
            let (images, slopes) = (numbers(3 * length, "images"), numbers(3 * output_length, "slopes"));
            let (kernel, bias) = (numbers(9 * channels, "kernel"), numbers(channels, "bias"));
            let (mut want, mut want_back) = (vec![0.0; slopes.len()], vec![0.0; images.len()]);
            let mut want_kernel = vec![0.0; kernel.len()];
            for at in 0..slopes.len() {
                let (place, channel) = (at / channels, at % channels);
                let (row, column) = (place / output[1] % output[0], place % output[1]);
                let image = place / output[1] / output[0];
                want[at] = f64::from(bias[channel]);
                for tap in 0..9 {
                    let row = (row * stride + tap / 3).wrapping_sub(border);
                    let column = (column * stride + tap % 3).wrapping_sub(border);
                    if row < input[0] && column < input[1] {
                        let from = ((image * input[0] + row) * input[1] + column) * channels + channel;
                        let weight = channel * 9 + tap;
                        want[at] += f64::from(images[from]) * f64::from(kernel[weight]);
                        want_back[from] += f64::from(slopes[at]) * f64::from(kernel[weight]);
                        want_kernel[weight] += f64::from(slopes[at]) * f64::from(images[from]);
                    }
                }
            }
            for instructions in all_instructions() {
                for threads in [1, 2] {
                    let depthwise = Depthwise { input, output, channels, stride, border, instructions, threads };
                    assert!(depthwise.fits());
                    let mut got = vec![f32::NAN; want.len()];
                    depthwise.forward(&images, &depthwise.turned(&kernel), Some(&bias), &mut got);
                    close("output", &got, &want);
                    let mut got = vec![f32::NAN; want_back.len()];
                    let of_kernel = depthwise.backward(&images, &slopes, &kernel, Some(&mut got), true);
                    close("gradient", &got, &want_back);
                    close("kernel", &of_kernel.expect("wanted"), &want_kernel);
                    assert_eq!(depthwise.backward(&images, &slopes, &kernel, None, false), None);
                }
            }
        }
    }

    #[test]
    fn what_it_cannot_compute_is_left_to_others() {
        let one = Depthwise {
            input: [4, 4],
            output: [4, 4],
            channels: 16,
            stride: 1,
            border: 1,
            instructions: Instructions::Portable,
            threads: 1,
        };
        assert!(one.fits());
        for other in [
            Depthwise { channels: 8, ..one },
            Depthwise { channels: 0, ..one },
            Depthwise { border: 2, ..one },
            Depthwise { output: [0, 4], ..one },
            Depthwise { output: [6, 4], ..one },
        ] {
            assert!(!other.fits(), "{other:?}");
        }
    }
}
