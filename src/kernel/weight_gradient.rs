//! The gradient of the kernel and of the bias of [`super::forward`].
//!
//! For each output a list is made of the places that its maxima came from, with their gradients: all that isn't zero.
//! Then each entry of it is one multiplication and addition a tap and a vector of inputs, with the sums in registers.

use super::{Shape, compiled, vector::Vector};

/// A place in the images, in numbers from their beginning, and the gradient there.
#[derive(Clone, Copy, Default)]
pub struct Entry {
    place: u32,
    gradient: f32,
}

/// Lists of entries, one an output.
#[derive(Default)]
pub struct Lists {
    entries: Vec<Entry>,
    counts: Vec<usize>,
    /// How many entries of each there may be.
    most: usize,
}

impl Lists {
    /// Empty ones, for images in groups of so many.
    pub fn new(shape: &Shape, images: usize) -> Self {
        let most = images * shape.windows();
        // One more, for what is written before it is known whether it counts.
        Lists {
            entries: vec![Entry::default(); shape.outputs * (most + 1)],
            counts: vec![0; shape.outputs],
            most: most + 1,
        }
    }

    /// Empties them.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }

    /// Adds what isn't zero of an image, which begins at `start` among the numbers of its group. `gradient` and `codes`:
    /// `[height / 2, width / 2, outputs]`.
    ///
    /// # Panics
    /// Where there are more images than the lists are made for.
    pub fn add(&mut self, gradient: &[f32], codes: &[u8], start: usize, shape: &Shape) {
        let (columns, outputs) = (shape.width / 2, shape.outputs);
        let row = shape.padded_width() * shape.inputs;
        // The fifth is of no use: a code of 4 isn't counted.
        let places = [0, shape.inputs, row, row + shape.inputs, 0].map(|place| place as u32);
        assert!(self.counts.len() == outputs && self.counts.iter().all(|count| count + shape.windows() <= self.most));
        for (window, (gradient, codes)) in gradient.chunks_exact(outputs).zip(codes.chunks_exact(outputs)).enumerate() {
            let first = (start + 2 * (window / columns) * row + 2 * (window % columns) * shape.inputs) as u32;
            let lists = self.entries.chunks_exact_mut(self.most);
            for (((list, count), &gradient), &code) in lists.zip(&mut self.counts).zip(gradient).zip(codes) {
                let place = first + places[usize::from(code.min(4))];
                list[*count] = Entry { place, gradient };
                *count += usize::from(code < 4);
            }
        }
    }
}

/// Adds to the gradients what `lists` say of a group of images.
///
/// `images`: such as [`super::forward`] takes, one behind the other. `kernel`: `[outputs, 3, 3, inputs]`, `bias`:
/// `[outputs]`, both added to.
///
/// # Panics
/// Where a slice is too short.
pub fn weight_gradient(
    instructions: super::Instructions,
    images: &[f32],
    lists: &Lists,
    kernel: &mut [f32],
    bias: &mut [f32],
    shape: &Shape,
) {
    assert!(kernel.len() == shape.outputs * 9 * shape.inputs && bias.len() == shape.outputs);
    assert!(lists.counts.len() == shape.outputs);
    for (output, count) in lists.counts.iter().enumerate() {
        let entries = &lists.entries[output * lists.most..][..*count];
        let kernel = &mut kernel[output * 9 * shape.inputs..][..9 * shape.inputs];
        bias[output] += entries.iter().map(|entry| entry.gradient).sum::<f32>();
        let reach = (2 * shape.padded_width() + 3) * shape.inputs;
        debug_assert!(entries.iter().all(|entry| entry.place as usize + reach <= images.len()));
        // SAFETY: places come from `Lists::add`, which puts them within the images of the group.
        unsafe { of_output(instructions, images.as_ptr(), entries, kernel.as_mut_ptr(), shape) }
    }
}

compiled! {
    /// Adds one output's gradient, `[3, 3, inputs]`.
    unsafe fn of_output = generic(images: *const f32, entries: &[Entry], kernel: *mut f32, shape: &Shape);
}

#[inline(always)]
unsafe fn generic<V: Vector>(images: *const f32, entries: &[Entry], kernel: *mut f32, shape: &Shape) {
    let mut input = 0;
    while input < shape.inputs {
        // SAFETY: so many inputs are left.
        unsafe {
            if V::MANY && input + 2 * V::LANES <= shape.inputs {
                of_inputs::<V, 2>(images.add(input), entries, kernel.add(input), shape);
                input += 2 * V::LANES;
            } else {
                of_inputs::<V, 1>(images.add(input), entries, kernel.add(input), shape);
                input += V::LANES;
            }
        }
    }
}

/// So many vectors of inputs.
#[inline(always)]
unsafe fn of_inputs<V: Vector, const VECTORS: usize>(
    images: *const f32,
    entries: &[Entry],
    kernel: *mut f32,
    shape: &Shape,
) {
    let inputs = shape.inputs;
    let row = shape.padded_width() * inputs;
    // SAFETY: the caller vouches for the pointers and the places.
    unsafe {
        let mut sums = [[V::splat(0.0); VECTORS]; 9];
        for entry in entries {
            let (first, gradient) = (images.add(entry.place as usize), V::splat(entry.gradient));
            for (tap, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    let values = V::load(first.add(tap / 3 * row + tap % 3 * inputs + vector * V::LANES));
                    *sum = sum.plus_product(gradient, values);
                }
            }
        }
        for (tap, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                let at = kernel.add(tap * inputs + vector * V::LANES);
                V::load(at).plus(sum).store(at);
            }
        }
    }
}
