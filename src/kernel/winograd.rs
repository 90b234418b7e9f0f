//! What [`super::forward`] computes, with fewer multiplications (Winograd, 1980; Lavin and Gray, "Fast Algorithms for
//! Convolutional Neural Networks", 2016).
//!
//! The four outputs of a window come from 4x4 inputs: `Y = A' [(G g G') * (B' d B)] A`, where `*` multiplies element by
//! element. That takes 16 multiplications instead of 36, and a window of the pooling is just such a tile. In numbers of 32
//! bits the results differ from the plain sums by roundings; nothing is divided but the kernel, by two and four.

use super::{Shape, compiled, vector::Vector};
use std::marker::PhantomData;

/// Elements of a tile.
pub const TILE: usize = 16;
/// Most tiles whose sums are in registers at once.
const MOST: usize = 8;

/// Numbers that come into the cache together.
const FETCHED: usize = 16;

/// An image that tiles are read from. Kernels get the shape that it was made with.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    numbers: *const f32,
    /// As many zeros as there are channels; null where nothing is around the image.
    around: *const f32,
    lives: PhantomData<&'a [f32]>,
}

impl<'a> Picture<'a> {
    /// An image that the convolution makes smaller by a border of one, `[height + 2, width + 2, inputs]`.
    ///
    /// # Panics
    /// Where it has another length.
    pub fn whole(image: &'a [f32], shape: &Shape) -> Self {
        assert!(image.len() == shape.padded());
        Picture { numbers: image.as_ptr(), around: std::ptr::null(), lives: PhantomData }
    }

    /// An image, `[height, width, inputs]`, which `zeros`, `[inputs]`, are thought to surround.
    ///
    /// # Panics
    /// Where one of them has another length.
    pub fn surrounded(image: &'a [f32], zeros: &'a [f32], shape: &Shape) -> Self {
        assert!(image.len() == shape.height * shape.width * shape.inputs && zeros.len() >= shape.inputs);
        Picture { numbers: image.as_ptr(), around: zeros.as_ptr(), lives: PhantomData }
    }
}

/// Numbers of room that [`winograd`] needs.
pub fn room(shape: &Shape) -> usize {
    TILE * MOST * (shape.inputs + shape.outputs)
}

compiled! {
    /// Turns a kernel, `[3, 3, inputs, outputs]`, into `G g G'`, `[16, inputs, outputs]`. `inputs * outputs` is a multiple of 16.
    ///
    /// # Safety
    /// The pointers are valid for so many elements, the last one for writing.
    pub unsafe fn transform_kernel = transform_kernel_generic(kernel: *const f32, tiles: *mut f32, pairs: usize);
}

#[inline(always)]
unsafe fn transform_kernel_generic<V: Vector>(kernel: *const f32, tiles: *mut f32, pairs: usize) {
    for pair in (0..pairs).step_by(V::LANES) {
        // SAFETY: so many pairs of an input and an output are left.
        unsafe {
            let half = V::splat(0.5);
            let zero = V::splat(0.0);
            // (a, (a + b + c) / 2, (a - b + c) / 2, c)
            let stretch = |[a, b, c]: [V; 3]| {
                let (ends, middle) = (zero.plus_product(a.plus(c), half), zero.plus_product(b, half));
                [a, ends.plus(middle), ends.minus(middle), c]
            };
            let mut rows = [[zero; 3]; 4];
            for column in 0..3 {
                let taps = std::array::from_fn(|row: usize| V::load(kernel.add((row * 3 + column) * pairs + pair)));
                for (row, value) in rows.iter_mut().zip(stretch(taps)) {
                    row[column] = value;
                }
            }
            for (row, values) in rows.into_iter().enumerate() {
                for (column, value) in stretch(values).into_iter().enumerate() {
                    value.store(tiles.add((row * 4 + column) * pairs + pair));
                }
            }
        }
    }
}

compiled! {
    /// Computes one image, as [`super::forward`] does, from a kernel that went through [`transform_kernel`]. `inputs` is a
    /// multiple of 16.
    ///
    /// # Safety
    /// The image is of `shape`; the pointers are valid for so many elements, `pooled`, `codes` and `room`, of [`room`] numbers, for writing, and
    /// `shape` is sound.
    pub unsafe fn winograd = pooled_generic(
        image: Picture<'_>, kernel: *const f32, bias: *const f32, pooled: *mut f32, codes: *mut u8, room: *mut f32,
        shape: &Shape, relu: bool
    );
}

compiled! {
    /// Computes the convolution of one image, `[height, width, outputs]`, without anything behind it. `inputs` is a multiple of
    /// 16.
    ///
    /// # Safety
    /// The image is of `shape`; the pointers are valid for so many elements, `output` and `room`, of [`room`] numbers, for writing, and `shape` is sound.
    pub unsafe fn winograd_convolution = convolution_generic(
        image: Picture<'_>, kernel: *const f32, bias: *const f32, output: *mut f32, room: *mut f32, shape: &Shape
    );
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn pooled_generic<V: Vector>(
    image: Picture<'_>,
    kernel: *const f32,
    bias: *const f32,
    pooled: *mut f32,
    codes: *mut u8,
    room: *mut f32,
    shape: &Shape,
    relu: bool,
) {
    let outputs = shape.outputs;
    let finish = |window: usize, sums: *const f32, tiles: usize| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let (pooled, codes) = (pooled.add(window * outputs), codes.add(window * outputs));
            maxima::<V>(sums, bias, pooled, codes, tiles, outputs, relu);
        }
    };
    // SAFETY: the caller's.
    unsafe { generic::<V>(image, kernel, room, shape, finish) }
}

#[inline(always)]
unsafe fn convolution_generic<V: Vector>(
    image: Picture<'_>,
    kernel: *const f32,
    bias: *const f32,
    output: *mut f32,
    room: *mut f32,
    shape: &Shape,
) {
    let (columns, outputs) = (shape.width / 2, shape.outputs);
    let finish = |window: usize, sums: *const f32, tiles: usize| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let first = output.add((2 * (window / columns) * shape.width + 2 * (window % columns)) * outputs);
            let line = shape.width * outputs;
            fetch::<V>(first.wrapping_add(2 * line), line, outputs);
            for channel in (0..outputs).step_by(V::LANES) {
                let [a, b, c, d] = outputs_of_tile(sums.add(channel), tiles * outputs, V::load(bias.add(channel)));
                a.store(first.add(channel));
                b.store(first.add(outputs + channel));
                c.store(first.add(shape.width * outputs + channel));
                d.store(first.add((shape.width + 1) * outputs + channel));
            }
        }
    };
    // SAFETY: the caller's.
    unsafe { generic::<V>(image, kernel, room, shape, finish) }
}

/// Computes the sums of all tiles, some at a time; `finish` gets each tile's number and sums, and how many lie side by side.
#[inline(always)]
unsafe fn generic<V: Vector>(
    image: Picture<'_>,
    kernel: *const f32,
    room: *mut f32,
    shape: &Shape,
    finish: impl Fn(usize, *const f32, usize),
) {
    let windows = shape.windows();
    let mut first = 0;
    while first < windows {
        let left = windows - first;
        // SAFETY: so many windows are left, and room is for the most of them.
        unsafe {
            let (tiles, sums) = (room, room.add(TILE * MOST * shape.inputs));
            let count = match (V::MANY, left) {
                (true, 8..) => 8,
                (false, 6..) => 6,
                (true, 4..) => 4,
                (_, 2..) => 2,
                _ => 1,
            };
            for tile in 0..count {
                transform_window::<V>(image, first + tile, tiles.add(tile * shape.inputs), count, shape);
            }
            match count {
                8 => multiply::<V, 8>(tiles, kernel, sums, shape),
                6 => multiply::<V, 6>(tiles, kernel, sums, shape),
                4 => multiply::<V, 4>(tiles, kernel, sums, shape),
                2 => multiply::<V, 2>(tiles, kernel, sums, shape),
                _ => multiply::<V, 1>(tiles, kernel, sums, shape),
            }
            for tile in 0..count {
                finish(first + tile, sums.add(tile * shape.outputs), count);
            }
            first += count;
        }
    }
}

/// Asks for two places of each of two lines: the processor doesn't guess by itself that windows go on there.
#[inline(always)]
pub unsafe fn fetch<V: Vector>(first: *const f32, line: usize, channels: usize) {
    for at in (0..2 * channels).step_by(FETCHED) {
        // SAFETY: nothing need lie there.
        unsafe {
            V::prefetch(first.wrapping_add(at));
            V::prefetch(first.wrapping_add(line + at));
        }
    }
}

/// `B' d B` of a window's 4x4 inputs, to `[16, tiles, inputs]`.
#[inline(always)]
pub unsafe fn transform_window<V: Vector>(
    image: Picture<'_>,
    window: usize,
    tile: *mut f32,
    tiles: usize,
    shape: &Shape,
) {
    let Shape { height, width, inputs, .. } = *shape;
    let (row, column) = (2 * (window / (width / 2)), 2 * (window % (width / 2)));
    let border = usize::from(!image.around.is_null());
    let is_within =
        row >= border && row + 4 <= height + 2 - border && column >= border && column + 4 <= width + 2 - border;
    let line = (width + 2 - 2 * border) * inputs;
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        // What the next row of windows reads that this one doesn't.
        fetch::<V>(image.numbers.wrapping_add((row + 4 - border) * line + column * inputs), line, inputs);
        if is_within {
            let first = image.numbers.add((row - border) * line + (column - border) * inputs);
            transform::<V>(|line_of_tile, at| first.add(line_of_tile * line + at * inputs), tile, tiles, inputs);
        } else {
            let place = |line_of_tile: usize, at: usize| {
                let (row, column) = ((row + line_of_tile).wrapping_sub(1), (column + at).wrapping_sub(1));
                let is_there = row < height && column < width;
                if is_there { image.numbers.add(row * line + column * inputs) } else { image.around }
            };
            let places: [[*const f32; 4]; 4] = std::array::from_fn(|line| std::array::from_fn(|at| place(line, at)));
            transform::<V>(|line, at| places[line][at], tile, tiles, inputs);
        }
    }
}

/// [`transform_window`] of inputs that begin at these places, line by line.
#[inline(always)]
unsafe fn transform<V: Vector>(
    place: impl Fn(usize, usize) -> *const f32,
    tile: *mut f32,
    tiles: usize,
    inputs: usize,
) {
    for input in (0..inputs).step_by(V::LANES) {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            // Written out, so that all of it stays in registers.
            let value = |line: usize, at: usize| V::load(place(line, at).add(input));
            let line = |at: usize| {
                let (a, b, c, d) = (value(at, 0), value(at, 1), value(at, 2), value(at, 3));
                [a.minus(c), b.plus(c), c.minus(b), b.minus(d)]
            };
            let (first, second, third, fourth) = (line(0), line(1), line(2), line(3));
            let store = |column: usize| {
                let (a, b, c, d) = (first[column], second[column], third[column], fourth[column]);
                let into = |at: usize| tile.add((at * 4 + column) * tiles * inputs + input);
                a.minus(c).store(into(0));
                b.plus(c).store(into(1));
                c.minus(b).store(into(2));
                b.minus(d).store(into(3));
            };
            store(0);
            store(1);
            store(2);
            store(3);
        }
    }
}

/// For each element of the tiles, `[tiles, inputs]` times `[inputs, outputs]`.
#[inline(always)]
unsafe fn multiply<V: Vector, const TILES: usize>(
    tiles: *const f32,
    kernel: *const f32,
    sums: *mut f32,
    shape: &Shape,
) {
    let Shape { inputs, outputs, .. } = *shape;
    for element in 0..TILE {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let tiles = tiles.add(element * TILES * inputs);
            let (kernel, sums) = (kernel.add(element * inputs * outputs), sums.add(element * TILES * outputs));
            let mut output = 0;
            while output < outputs {
                if output + 2 * V::LANES <= outputs {
                    product::<V, TILES, 2>(tiles, kernel.add(output), sums.add(output), shape);
                    output += 2 * V::LANES;
                } else {
                    product::<V, TILES, 1>(tiles, kernel.add(output), sums.add(output), shape);
                    output += V::LANES;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn product<V: Vector, const TILES: usize, const VECTORS: usize>(
    tiles: *const f32,
    kernel: *const f32,
    sums: *mut f32,
    shape: &Shape,
) {
    let Shape { inputs, outputs, .. } = *shape;
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut accumulated = [[V::splat(0.0); VECTORS]; TILES];
        for input in 0..inputs {
            let weights: [V; VECTORS] = std::array::from_fn(|at| V::load(kernel.add(input * outputs + at * V::LANES)));
            for (tile, accumulated) in accumulated.iter_mut().enumerate() {
                let value = V::splat(*tiles.add(tile * inputs + input));
                for (sum, weight) in accumulated.iter_mut().zip(weights) {
                    *sum = sum.plus_product(value, weight);
                }
            }
        }
        for (tile, accumulated) in accumulated.into_iter().enumerate() {
            for (vector, sum) in accumulated.into_iter().enumerate() {
                sum.store(sums.add(tile * outputs + vector * V::LANES));
            }
        }
    }
}

/// The maximum of a tile's outputs, and which of the four it is.
#[inline(always)]
unsafe fn maxima<V: Vector>(
    sums: *const f32,
    bias: *const f32,
    pooled: *mut f32,
    codes: *mut u8,
    tiles: usize,
    outputs: usize,
    relu: bool,
) {
    for output in (0..outputs).step_by(V::LANES) {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let candidates = outputs_of_tile(sums.add(output), tiles * outputs, V::load(bias.add(output)));
            V::store_maximum(candidates, relu, pooled.add(output), codes.add(output));
        }
    }
}

/// `A' M A` of a tile, with the bias, row by row; its elements lie `stride` apart.
#[inline(always)]
unsafe fn outputs_of_tile<V: Vector>(sums: *const f32, stride: usize, bias: V) -> [V; 4] {
    // SAFETY: the caller vouches for the pointer.
    unsafe {
        // Written out, so that all of it stays in registers.
        let element = |at: usize| V::load(sums.add(at * stride));
        let column = |at: usize| {
            let (a, b, c, d) = (element(at), element(4 + at), element(8 + at), element(12 + at));
            (a.plus(b.plus(c)), b.minus(c.plus(d)))
        };
        let ((a, e), (b, f), (c, g), (d, h)) = (column(0), column(1), column(2), column(3));
        let upper = [a.plus(b.plus(c)).plus(bias), b.minus(c.plus(d)).plus(bias)];
        let lower = [e.plus(f.plus(g)).plus(bias), f.minus(g.plus(h)).plus(bias)];
        [upper[0], upper[1], lower[0], lower[1]]
    }
}
