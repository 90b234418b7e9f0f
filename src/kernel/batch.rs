//! What kernels over a batch share: its images and their borders, room to compute in, stretches for the threads.

use super::{Instructions, Picture, Shape, transform_kernel};
use std::ops::Range;

/// The images of a batch.
#[derive(Clone, Copy)]
pub enum Images<'a> {
    /// `[batch, height, width, inputs]`
    Numbers(&'a [f32]),
    /// Bytes of the same shape, each channel of which is multiplied by a number and then added to another.
    Bytes {
        /// The bytes.
        values: &'a [u8],
        /// `[inputs]`
        scale: &'a [f32],
        /// `[inputs]`
        offset: &'a [f32],
    },
}

impl Images<'_> {
    /// Their elements.
    pub fn length(&self) -> usize {
        match self {
            Images::Numbers(values) => values.len(),
            Images::Bytes { values, .. } => values.len(),
        }
    }
}

/// An image and the border of zeros that the convolution reads.
#[derive(Clone, Copy)]
pub struct Border {
    /// What the convolution computes on it.
    pub shape: Shape,
    /// Whether images come without the border.
    pub same: bool,
}

impl Border {
    /// Rows, columns and channels of an image without its border.
    pub fn image(&self) -> [usize; 3] {
        let border = if self.same { 0 } else { 2 };
        [self.shape.height + border, self.shape.width + border, self.shape.inputs]
    }

    /// Its numbers.
    pub fn image_length(&self) -> usize {
        self.image().iter().product()
    }

    /// Calls `each` with every row of an image, and where that lies within its border.
    pub fn each_row(&self, mut each: impl FnMut(Range<usize>, Range<usize>)) {
        let [height, width, inputs] = self.image();
        let (line, padded_line) = (width * inputs, self.shape.padded_width() * inputs);
        let border = usize::from(self.same);
        for row in 0..height {
            let at = (row + border) * padded_line + border * inputs;
            each(row * line..(row + 1) * line, at..at + line);
        }
    }

    /// An image as tiles are read from it: where it lies if it is of numbers, and with a border `into` if not, as [`Border::padded`] has
    /// it. `zeros` are as many as there are channels.
    pub fn picture<'a>(&self, images: Images<'a>, image: usize, into: &'a mut [f32], zeros: &'a [f32]) -> Picture<'a> {
        match images {
            Images::Numbers(values) => {
                let image = &values[image * self.image_length()..][..self.image_length()];
                match self.same {
                    true => Picture::surrounded(image, zeros, &self.shape),
                    false => Picture::whole(image, &self.shape),
                }
            }
            Images::Bytes { .. } => Picture::whole(self.padded(images, image, into), &self.shape),
        }
    }

    /// Puts an image into a border of zeros. `into` holds zeros at the border.
    pub fn padded<'a>(&self, images: Images<'_>, image: usize, into: &'a mut [f32]) -> &'a [f32] {
        let start = image * self.image_length();
        match images {
            Images::Numbers(values) => {
                let image = &values[start..][..self.image_length()];
                self.each_row(|row, at| into[at].copy_from_slice(&image[row]));
            }
            Images::Bytes { values, scale, offset } => {
                let image = &values[start..][..self.image_length()];
                self.each_row(|row, at| match (scale, offset) {
                    (&[a, b, c], &[d, e, f]) => {
                        let (into, _) = into[at].as_chunks_mut::<3>();
                        for (into, bytes) in into.iter_mut().zip(image[row].as_chunks::<3>().0) {
                            let [x, y, z] = bytes.map(f32::from);
                            *into = [x * a + d, y * b + e, z * c + f];
                        }
                    }
                    _ => {
                        for (at, (into, byte)) in into[at].iter_mut().zip(&image[row]).enumerate() {
                            *into = f32::from(*byte) * scale[at % scale.len()] + offset[at % scale.len()];
                        }
                    }
                });
            }
        }
        &into[..self.shape.padded()]
    }
}

/// Numbers that begin where a line of the processor's cache does.
#[derive(Default)]
pub struct Scratch(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as a slice of all lines")] [f32; 16]);

impl Scratch {
    /// So many zeros.
    pub fn new(length: usize) -> Self {
        Scratch(vec![Line([0.0; 16]); length.div_ceil(16)])
    }

    /// All of them, up to the end of the last line, for reading.
    pub fn kept(&self) -> &[f32] {
        // SAFETY: lines are numbers without anything between them.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }

    /// All of them, up to the end of the last line.
    pub fn numbers(&mut self) -> &mut [f32] {
        // SAFETY: lines are numbers without anything between them.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }
}

/// Stretches of the batch, one a thread.
pub fn stretches(threads: usize, images: usize) -> Vec<Range<usize>> {
    let count = threads.clamp(1, images.max(1));
    (0..count).map(|at| images * at / count..images * (at + 1) / count).collect()
}

/// A kernel, `[3, 3, inputs, outputs]`, as Winograd's method wants it; `pairs` is the product of inputs and outputs.
pub fn tiles_of_kernel(instructions: Instructions, kernel: &[f32], pairs: usize) -> Scratch {
    let mut tiles = Scratch::new(16 * pairs);
    assert!(kernel.len() >= 9 * pairs);
    // SAFETY: both have so many numbers.
    unsafe { transform_kernel(instructions, kernel.as_ptr(), tiles.numbers().as_mut_ptr(), pairs) }
    tiles
}

/// Turns `rows` rows into columns.
pub fn transpose(from: &[f32], into: &mut [f32], rows: usize) {
    let columns = from.len() / rows;
    // In squares, so that what is read and what is written stays in the cache.
    const SIDE: usize = 16;
    for first_row in (0..rows).step_by(SIDE) {
        for first_column in (0..columns).step_by(SIDE) {
            for row in first_row..rows.min(first_row + SIDE) {
                for column in first_column..columns.min(first_column + SIDE) {
                    into[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}
