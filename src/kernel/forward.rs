//! Convolution of 3x3, bias, maximum over windows of 2x2, and ReLU where it is wanted, in one go.
//!
//! The four outputs of a window stay in registers; only their maximum is written, and which of the four it was. What a
//! convolution gives, four times as many numbers, never lies in memory.

use super::{Shape, compiled, vector::Vector};

compiled! {
    /// Computes one image.
    ///
    /// `image`: `[height + 2, width + 2, inputs]`, with its border. `kernel`: `[3, 3, inputs, outputs]`. `bias`:
    /// `[outputs]`. `pooled` and `codes`: `[height / 2, width / 2, outputs]`; a code says which of the window's outputs,
    /// row by row, is the maximum, or 4 where `relu` cut it.
    ///
    /// # Safety
    /// The pointers are valid for so many elements, the last two for writing, and `shape` is sound.
    pub unsafe fn forward = generic(
        image: *const f32, kernel: *const f32, bias: *const f32, pooled: *mut f32, codes: *mut u8, shape: &Shape, relu: bool
    );
}

#[inline(always)]
unsafe fn generic<V: Vector>(
    image: *const f32,
    kernel: *const f32,
    bias: *const f32,
    pooled: *mut f32,
    codes: *mut u8,
    shape: &Shape,
    relu: bool,
) {
    let (rows, columns) = (shape.height / 2, shape.width / 2);
    let mut output = 0;
    while output < shape.outputs {
        let pair = output + 2 * V::LANES <= shape.outputs;
        for row in 0..rows {
            let mut column = 0;
            while column < columns {
                // SAFETY: the window begins at an even row and column within the image; its outputs and those of as many
                // windows beside it as are computed lie within what the caller vouches for.
                unsafe {
                    let window = image.add((2 * row * shape.padded_width() + 2 * column) * shape.inputs);
                    let (kernel, bias) = (kernel.add(output), bias.add(output));
                    let at = (row * columns + column) * shape.outputs + output;
                    let (pooled, codes) = (pooled.add(at), codes.add(at));
                    // As many sums as there are registers for.
                    match (pair, V::MANY && column + 1 < columns) {
                        (true, true) => windows::<V, 2, 2>(window, kernel, bias, pooled, codes, shape, relu),
                        (true, false) => windows::<V, 1, 2>(window, kernel, bias, pooled, codes, shape, relu),
                        (false, true) => windows::<V, 2, 1>(window, kernel, bias, pooled, codes, shape, relu),
                        (false, false) => windows::<V, 1, 1>(window, kernel, bias, pooled, codes, shape, relu),
                    }
                }
                column += if V::MANY && column + 1 < columns { 2 } else { 1 };
            }
        }
        output += if pair { 2 * V::LANES } else { V::LANES };
    }
}

/// So many windows side by side, so many vectors of outputs each.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "the index runs over the inner axis")]
unsafe fn windows<V: Vector, const WINDOWS: usize, const VECTORS: usize>(
    image: *const f32,
    kernel: *const f32,
    bias: *const f32,
    pooled: *mut f32,
    codes: *mut u8,
    shape: &Shape,
    relu: bool,
) {
    let (inputs, outputs, row) = (shape.inputs, shape.outputs, shape.padded_width() * shape.inputs);
    // SAFETY: the caller vouches for the pointers; offsets stay within a window of 4x4 around each window of 2x2.
    unsafe {
        let mut sums = [[[V::splat(0.0); VECTORS]; 4]; WINDOWS];
        for window in &mut sums {
            for position in window {
                for (vector, sum) in position.iter_mut().enumerate() {
                    *sum = V::load(bias.add(vector * V::LANES));
                }
            }
        }
        for tap_row in 0..3 {
            // The three columns of a tap row and their channels lie one behind the other.
            for tap in 0..3 * inputs {
                let weights: [V; VECTORS] = std::array::from_fn(|at| {
                    V::load(kernel.add((tap_row * 3 * inputs + tap) * outputs + at * V::LANES))
                });
                let first = image.add(tap_row * row + tap);
                for (window, sums) in sums.iter_mut().enumerate() {
                    for (position, sums) in sums.iter_mut().enumerate() {
                        let value = first.add(position / 2 * row + (2 * window + position % 2) * inputs);
                        let value = V::splat(*value);
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = sum.plus_product(value, weight);
                        }
                    }
                }
            }
        }
        for (window, sums) in sums.iter().enumerate() {
            for vector in 0..VECTORS {
                let candidates = std::array::from_fn(|position: usize| sums[position][vector]);
                let at = window * outputs + vector * V::LANES;
                V::store_maximum(candidates, relu, pooled.add(at), codes.add(at));
            }
        }
    }
}
