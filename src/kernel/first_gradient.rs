//! The gradient of the kernel and of the bias of [`super::forward`] where images have one or three channels.
//!
//! Such images are too narrow for a vector of inputs, so a vector holds outputs. Each output of a window may have its maximum at
//! another of four places: the four inputs that may be meant lie side by side, and one permutation gives each output its
//! own.

use super::{Instructions, Shape, compiled, vector::Vector};

/// Room for a row of inputs, four candidates each, for each row of taps.
#[derive(Default)]
pub struct Quads(Vec<f32>);

/// Adds to the gradients what one image gives.
///
/// `image`: such as [`super::forward`] takes. `gradient` and `codes`: `[height / 2, width / 2, outputs]`. `kernel`:
/// `[3, 3, inputs, outputs]`, `bias`: `[outputs]`, both added to. `inputs` is 1 or 3.
///
/// # Panics
/// Where a slice has another length.
#[allow(clippy::too_many_arguments)]
pub fn first_gradient(
    instructions: Instructions,
    image: &[f32],
    gradient: &[f32],
    codes: &[u8],
    kernel: &mut [f32],
    bias: &mut [f32],
    quads: &mut Quads,
    shape: &Shape,
) {
    let (rows, columns) = (shape.height / 2, shape.width / 2);
    let line = shape.padded_width() * shape.inputs;
    assert!(image.len() == shape.padded() && kernel.len() == 9 * shape.inputs * shape.outputs);
    assert!(gradient.len() == shape.pooled() && codes.len() == shape.pooled() && bias.len() == shape.outputs);
    quads.0.resize(3 * 4 * line, 0.0);
    for row in 0..rows {
        // The last row of taps of the windows above is the first one here.
        let known = if row > 0 { 1 } else { 0 };
        if known == 1 {
            quads.0.copy_within(2 * 4 * line.., 0);
        }
        for tap_row in known..3 {
            let from = (2 * row + tap_row) * line;
            let into = &mut quads.0[tap_row * 4 * line..][..4 * line];
            quads_of_row(instructions, &image[from..][..2 * line], into, shape.inputs);
        }
        let windows = row * columns * shape.outputs..(row + 1) * columns * shape.outputs;
        let (gradient, codes) = (&gradient[windows.clone()], &codes[windows]);
        // SAFETY: the lengths are asserted above.
        unsafe {
            let (kernel, bias) = (kernel.as_mut_ptr(), bias.as_mut_ptr());
            of_row(instructions, quads.0.as_ptr(), gradient.as_ptr(), codes.as_ptr(), kernel, bias, shape);
        }
    }
}

/// The four inputs of each window of 2x2 that begins in the first of two rows.
fn quads_of_row(instructions: Instructions, rows: &[f32], quads: &mut [f32], inputs: usize) {
    let line = rows.len() / 2;
    let (upper, lower) = rows.split_at(line);
    let (quads, _) = quads.as_chunks_mut::<4>();
    let count = line - inputs;
    assert!(lower.len() == line && quads.len() == line);
    // SAFETY: the slices have these lengths.
    unsafe { interleave(instructions, upper, lower, quads, inputs, count) }
}

compiled! {
    /// `quads[i] = [upper[i], upper[i + inputs], lower[i], lower[i + inputs]]`
    unsafe fn interleave = interleave_generic(
        upper: &[f32], lower: &[f32], quads: &mut [[f32; 4]], inputs: usize, count: usize
    );
}

#[inline(always)]
unsafe fn interleave_generic<V: Vector>(
    upper: &[f32],
    lower: &[f32],
    quads: &mut [[f32; 4]],
    inputs: usize,
    count: usize,
) {
    let (right, lower_right) = (&upper[inputs..][..count], &lower[inputs..][..count]);
    let (upper, lower, quads) = (&upper[..count], &lower[..count], &mut quads[..count]);
    for at in 0..count {
        quads[at] = [upper[at], right[at], lower[at], lower_right[at]];
    }
}

compiled! {
    /// Adds what a row of windows gives.
    unsafe fn of_row = generic(
        quads: *const f32, gradient: *const f32, codes: *const u8, kernel: *mut f32, bias: *mut f32, shape: &Shape
    );
}

#[inline(always)]
unsafe fn generic<V: Vector>(
    quads: *const f32,
    gradient: *const f32,
    codes: *const u8,
    kernel: *mut f32,
    bias: *mut f32,
    shape: &Shape,
) {
    for output in (0..shape.outputs).step_by(V::LANES) {
        // SAFETY: so many outputs are left; `shape.inputs` is 1 or 3.
        unsafe {
            let (gradient, codes, kernel) = (gradient.add(output), codes.add(output), kernel.add(output));
            let mut sum = V::load(bias.add(output));
            for column in 0..shape.width / 2 {
                let codes = V::codes(codes.add(column * shape.outputs));
                sum = sum.plus(V::load(gradient.add(column * shape.outputs)).where_any(codes));
            }
            sum.store(bias.add(output));
            match (shape.inputs, V::MANY) {
                (1, _) => of_taps::<V, 3, 3>(quads, gradient, codes, kernel, shape),
                (_, true) => of_taps::<V, 3, 9>(quads, gradient, codes, kernel, shape),
                (_, false) => {
                    let line = 4 * shape.padded_width() * shape.inputs;
                    for tap_row in 0..3 {
                        let kernel = kernel.add(tap_row * 9 * shape.outputs);
                        of_taps::<V, 1, 9>(quads.add(tap_row * line), gradient, codes, kernel, shape);
                    }
                }
            }
        }
    }
}

/// So many rows of taps of so many each.
#[inline(always)]
unsafe fn of_taps<V: Vector, const ROWS: usize, const TAPS: usize>(
    quads: *const f32,
    gradient: *const f32,
    codes: *const u8,
    kernel: *mut f32,
    shape: &Shape,
) {
    let line = 4 * shape.padded_width() * shape.inputs;
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut sums = [[V::splat(0.0); TAPS]; ROWS];
        for column in 0..shape.width / 2 {
            let codes = V::codes(codes.add(column * shape.outputs));
            let gradient = V::load(gradient.add(column * shape.outputs)).where_any(codes);
            let quads = quads.add(column * 2 * shape.inputs * 4);
            for (row, sums) in sums.iter_mut().enumerate() {
                for (tap, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.plus_product(V::pick(quads.add(row * line + 4 * tap), codes), gradient);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (tap, sum) in sums.into_iter().enumerate() {
                let at = kernel.add((row * TAPS + tap) * shape.outputs);
                V::load(at).plus(sum).store(at);
            }
        }
    }
}
