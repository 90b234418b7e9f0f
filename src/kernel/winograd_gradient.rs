//! The gradient of a kernel of 3x3 with fewer multiplications: what [`super::winograd`] computes, the other way.
//!
//! There, `Y = A' [(G g G') * (B' d B)] A` for each tile. So the gradient of `g` is `G' [sum of (B' d B) * (A dY A')] G` over all
//! tiles: 16 multiplications a tile instead of 36, and what is around the sum happens once.

use super::{
    Shape, compiled,
    vector::Vector,
    winograd::{Picture, TILE, fetch, transform_window},
};

/// Tiles whose products are added up at once.
const AT_ONCE: usize = 16;

/// Numbers of room that [`tile_products`] needs.
pub fn products_room(shape: &Shape) -> usize {
    TILE * AT_ONCE * (shape.inputs + shape.outputs)
}

compiled! {
    /// Adds the products of an image's tiles and of `slopes`, `[height, width, outputs]`, to `sums`, `[16, inputs, outputs]`. `inputs` and
    /// `outputs` are multiples of 16.
    ///
    /// # Safety
    /// The image is of `shape`; the pointers are valid for so many elements, `sums` and `room`, of [`products_room`] numbers, for writing, and `shape` is
    /// sound.
    pub unsafe fn tile_products = products_generic(
        image: Picture<'_>, slopes: *const f32, sums: *mut f32, room: *mut f32, shape: &Shape
    );
}

#[inline(always)]
unsafe fn products_generic<V: Vector>(
    image: Picture<'_>,
    slopes: *const f32,
    sums: *mut f32,
    room: *mut f32,
    shape: &Shape,
) {
    let Shape { inputs, outputs, .. } = *shape;
    let (windows, columns) = (shape.windows(), shape.width / 2);
    for first in (0..windows).step_by(AT_ONCE) {
        let count = AT_ONCE.min(windows - first);
        // SAFETY: so many windows are left, and room is for the most of them.
        unsafe {
            let (tiles, spread) = (room, room.add(TILE * AT_ONCE * inputs));
            for tile in 0..count {
                transform_window::<V>(image, first + tile, tiles.add(tile * inputs), count, shape);
                let (row, column) = ((first + tile) / columns, (first + tile) % columns);
                let place = 2 * row * shape.width + 2 * column;
                let line = shape.width * outputs;
                fetch::<V>(slopes.wrapping_add(place * outputs + 2 * line), line, outputs);
                spread_slopes::<V>(slopes.add(place * outputs), spread.add(tile * outputs), count, shape);
            }
            for element in 0..TILE {
                let tiles = tiles.add(element * count * inputs);
                let (spread, sums) = (spread.add(element * count * outputs), sums.add(element * inputs * outputs));
                let mut output = 0;
                while output < outputs {
                    let (spread, sums) = (spread.add(output), sums.add(output));
                    if output + 2 * V::LANES <= outputs {
                        match V::MANY {
                            true => add_products::<V, 8, 2>(tiles, spread, sums, count, shape),
                            false => add_products::<V, 4, 2>(tiles, spread, sums, count, shape),
                        }
                        output += 2 * V::LANES;
                    } else {
                        match V::MANY {
                            true => add_products::<V, 16, 1>(tiles, spread, sums, count, shape),
                            false => add_products::<V, 8, 1>(tiles, spread, sums, count, shape),
                        }
                        output += V::LANES;
                    }
                }
            }
        }
    }
}

/// `A dY A'` of the four slopes of a tile, to `[16, tiles, outputs]`.
#[inline(always)]
unsafe fn spread_slopes<V: Vector>(slopes: *const f32, spread: *mut f32, tiles: usize, shape: &Shape) {
    let (outputs, row) = (shape.outputs, shape.width * shape.outputs);
    for output in (0..outputs).step_by(V::LANES) {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let zero = V::splat(0.0);
            let stretch = |a: V, b: V| [a, a.plus(b), a.minus(b), zero.minus(b)];
            let value = |line: usize, column: usize| V::load(slopes.add(line * row + column * outputs + output));
            let (left, right) = (stretch(value(0, 0), value(1, 0)), stretch(value(0, 1), value(1, 1)));
            // Written out, so that all of it stays in registers.
            let store = |line: usize| {
                let [a, b, c, d] = stretch(left[line], right[line]);
                let into = |column: usize| spread.add((line * 4 + column) * tiles * outputs + output);
                a.store(into(0));
                b.store(into(1));
                c.store(into(2));
                d.store(into(3));
            };
            store(0);
            store(1);
            store(2);
            store(3);
        }
    }
}

/// Adds `[tiles, inputs]'` times so many columns of `[tiles, outputs]` to the sums, `[inputs, outputs]`.
#[inline(always)]
unsafe fn add_products<V: Vector, const INPUTS: usize, const VECTORS: usize>(
    tiles: *const f32,
    spread: *const f32,
    sums: *mut f32,
    count: usize,
    shape: &Shape,
) {
    let Shape { inputs, outputs, .. } = *shape;
    for input in (0..inputs).step_by(INPUTS) {
        // SAFETY: the caller vouches for the pointers; inputs are a multiple of 16.
        unsafe {
            let sums = sums.add(input * outputs);
            let mut accumulated: [[V; VECTORS]; INPUTS] = std::array::from_fn(|input| {
                std::array::from_fn(|vector| V::load(sums.add(input * outputs + vector * V::LANES)))
            });
            for tile in 0..count {
                let slopes: [V; VECTORS] =
                    std::array::from_fn(|vector| V::load(spread.add(tile * outputs + vector * V::LANES)));
                for (at, accumulated) in accumulated.iter_mut().enumerate() {
                    let value = V::splat(*tiles.add(tile * inputs + input + at));
                    for (sum, slope) in accumulated.iter_mut().zip(slopes) {
                        *sum = sum.plus_product(value, slope);
                    }
                }
            }
            for (input, accumulated) in accumulated.into_iter().enumerate() {
                for (vector, sum) in accumulated.into_iter().enumerate() {
                    sum.store(sums.add(input * outputs + vector * V::LANES));
                }
            }
        }
    }
}

compiled! {
    /// `G' M G` of sums, `[16, inputs, outputs]`: the gradient of the kernel, `[3, 3, inputs, outputs]`. `inputs * outputs` is a multiple of 16.
    ///
    /// # Safety
    /// The pointers are valid for so many elements, the last one for writing.
    pub unsafe fn kernel_of_products = kernel_generic(sums: *const f32, kernel: *mut f32, pairs: usize);
}

#[inline(always)]
unsafe fn kernel_generic<V: Vector>(sums: *const f32, kernel: *mut f32, pairs: usize) {
    for pair in (0..pairs).step_by(V::LANES) {
        // SAFETY: so many pairs of an input and an output are left.
        unsafe {
            let half = V::splat(0.5);
            // (a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d)
            let shrink = |[a, b, c, d]: [V; 4]| {
                let (sum, difference) = (b.plus(c), b.minus(c));
                [a.plus_product(sum, half), V::splat(0.0).plus_product(difference, half), d.plus_product(sum, half)]
            };
            let mut rows = [[V::splat(0.0); 4]; 3];
            for column in 0..4 {
                let elements = std::array::from_fn(|row: usize| V::load(sums.add((row * 4 + column) * pairs + pair)));
                for (row, value) in rows.iter_mut().zip(shrink(elements)) {
                    row[column] = value;
                }
            }
            for (row, values) in rows.into_iter().enumerate() {
                for (column, value) in shrink(values).into_iter().enumerate() {
                    value.store(kernel.add((row * 3 + column) * pairs + pair));
                }
            }
        }
    }
}
