//! The gradient of the images that went into [`super::forward`].
//!
//! Of the four outputs of a window only the largest has a gradient: three quarters of a convolution's work, and what ReLU
//! cut besides, are left out. For each window, what its outputs give to the 4x4 inputs around it is summed up in
//! registers.

use super::{Shape, compiled, vector::Vector};

compiled! {
    /// Adds up the gradient of one image.
    ///
    /// `kernel`: `[outputs, 3, 3, inputs]`. `gradient` and `codes`: `[height / 2, width / 2, outputs]`. `image`:
    /// `[height + 2, width + 2, inputs]`, with its border, which is added to.
    ///
    /// # Safety
    /// The pointers are valid for so many elements, the last one for writing, and `shape` is sound.
    pub unsafe fn input_gradient = generic(
        kernel: *const f32, gradient: *const f32, codes: *const u8, image: *mut f32, shape: &Shape
    );
}

/// Outputs whose codes are looked at together: as many as an integer has bits.
const TOGETHER: usize = 64;

#[inline(always)]
unsafe fn generic<V: Vector>(
    kernel: *const f32,
    gradient: *const f32,
    codes: *const u8,
    image: *mut f32,
    shape: &Shape,
) {
    let (rows, columns) = (shape.height / 2, shape.width / 2);
    for window in 0..rows * columns {
        let place = (2 * (window / columns) * shape.padded_width() + 2 * (window % columns)) * shape.inputs;
        for first in (0..shape.outputs).step_by(TOGETHER) {
            let count = TOGETHER.min(shape.outputs - first);
            // SAFETY: the window and the outputs lie within what the caller vouches for.
            unsafe {
                let at = window * shape.outputs + first;
                let which = masks::<V>(std::slice::from_raw_parts(codes.add(at), count));
                let kernel = kernel.add(first * 9 * shape.inputs);
                for input in (0..shape.inputs).step_by(V::LANES) {
                    let (kernel, image) = (kernel.add(input), image.add(place + input));
                    let gradient = gradient.add(at);
                    if V::MANY {
                        of_window::<V>(kernel, gradient, &which, image, shape);
                    } else {
                        of_place::<V, 0>(kernel, gradient, which[0], image, shape);
                        of_place::<V, 1>(kernel, gradient, which[1], image, shape);
                        of_place::<V, 2>(kernel, gradient, which[2], image, shape);
                        of_place::<V, 3>(kernel, gradient, which[3], image, shape);
                    }
                }
            }
        }
    }
}

/// For each of the four places in a window, the outputs, as bits, whose maximum it is.
#[inline(always)]
unsafe fn masks<V: Vector>(codes: &[u8]) -> [u64; 4] {
    let mut masks = [0; 4];
    for (at, codes) in codes.as_chunks::<16>().0.iter().enumerate() {
        for (place, mask) in masks.iter_mut().enumerate() {
            // SAFETY: the caller's.
            *mask |= u64::from(unsafe { V::equal_codes(codes, place as u8) }) << (16 * at);
        }
    }
    masks
}

/// What all outputs of a window give to the 4x4 inputs around it.
#[inline(always)]
unsafe fn of_window<V: Vector>(
    kernel: *const f32,
    gradient: *const f32,
    which: &[u64; 4],
    image: *mut f32,
    shape: &Shape,
) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut sums = [[V::splat(0.0); 4]; 4];
        add::<V, 0, 4>(&mut sums, which[0], kernel, gradient, shape.inputs);
        add::<V, 1, 4>(&mut sums, which[1], kernel, gradient, shape.inputs);
        add::<V, 2, 4>(&mut sums, which[2], kernel, gradient, shape.inputs);
        add::<V, 3, 4>(&mut sums, which[3], kernel, gradient, shape.inputs);
        put(sums, image, shape);
    }
}

/// What the outputs of `mask`, whose maximum is at `PLACE` in the window, give to the 3x3 inputs around that: for processors
/// whose registers don't hold the sums of a whole window.
#[inline(always)]
unsafe fn of_place<V: Vector, const PLACE: usize>(
    kernel: *const f32,
    gradient: *const f32,
    mask: u64,
    image: *mut f32,
    shape: &Shape,
) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut sums = [[V::splat(0.0); 3]; 3];
        add::<V, 0, 3>(&mut sums, mask, kernel, gradient, shape.inputs);
        put(sums, image.add((PLACE / 2 * shape.padded_width() + PLACE % 2) * shape.inputs), shape);
    }
}

/// Adds sums to the inputs.
#[inline(always)]
unsafe fn put<V: Vector, const SIDE: usize>(sums: [[V; SIDE]; SIDE], image: *mut f32, shape: &Shape) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (column, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller vouches for the pointer.
            unsafe {
                let at = image.add((row * shape.padded_width() + column) * shape.inputs);
                V::load(at).plus(sum).store(at);
            }
        }
    }
}

/// Adds what the outputs of `mask`, whose maximum is at `PLACE`, give to the inputs around it.
#[inline(always)]
unsafe fn add<V: Vector, const PLACE: usize, const SIDE: usize>(
    sums: &mut [[V; SIDE]; SIDE],
    mut mask: u64,
    kernel: *const f32,
    gradient: *const f32,
    inputs: usize,
) {
    let (down, right) = (PLACE / 2, PLACE % 2);
    while mask != 0 {
        let output = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        // SAFETY: only outputs that are there have bits.
        unsafe {
            let gradient = V::splat(*gradient.add(output));
            let taps = kernel.add(output * 9 * inputs);
            for tap in 0..9 {
                let sum = &mut sums[tap / 3 + down][tap % 3 + right];
                *sum = sum.plus_product(gradient, V::load(taps.add(tap * inputs)));
            }
        }
    }
}
