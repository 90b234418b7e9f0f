//! Images turned, moved, scaled and sheared, by the rule of TensorFlow's `ImageProjectiveTransformV3`, which is Keras'.
//!
//! A matrix `[a, b, c, d, e, f]` says where each pixel `(x, y)` of the output comes from: `(ax + by + c, dx + ey + f)`,
//! counted from the middle of the first pixel.

use super::{FillMode, Image, Interpolation};

/// What stands outside of an image: the mode, and the value where that is constant.
pub type Border = (FillMode, u8);

/// The image that `matrix` makes.
pub fn affine(image: &Image, matrix: [f32; 6], border: Border, interpolation: Interpolation) -> Image {
    let mut out = Image::filled(image.shape, 0);
    match (interpolation, image.shape[2]) {
        (Interpolation::Bilinear, 1) => map(image, &mut out, matrix, border, bilinear::<1>),
        (Interpolation::Bilinear, _) => map(image, &mut out, matrix, border, bilinear::<3>),
        (Interpolation::Nearest, 1) => map(image, &mut out, matrix, border, nearest::<1>),
        (Interpolation::Nearest, _) => map(image, &mut out, matrix, border, nearest::<3>),
    }
    out
}

/// Turned counterclockwise around its middle by `angle`, a fraction of a turn.
pub fn rotate(image: &Image, angle: f64, border: Border, interpolation: Interpolation) -> Image {
    let [height, width, _] = image.shape;
    let (sin, cos) = (angle * std::f64::consts::TAU).sin_cos();
    let (x, y) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
    let matrix = [cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos];
    affine(image, matrix.map(|m| m as f32), border, interpolation)
}

/// Moved to the right by `x` pixels and down by `y`.
pub fn translate(image: &Image, x: f64, y: f64, border: Border, interpolation: Interpolation) -> Image {
    affine(image, [1.0, 0.0, -x as f32, 0.0, 1.0, -y as f32], border, interpolation)
}

/// Scaled around its middle: what was `height` and `width` times the image's now fills it, so less than 1 is nearer.
pub fn zoom(image: &Image, height: f64, width: f64, border: Border, interpolation: Interpolation) -> Image {
    let middle = |length: usize, zoom: f64| ((length as f64 - 1.0) / 2.0 * (1.0 - zoom)) as f32;
    let [h, w, _] = image.shape;
    let matrix = [width as f32, 0.0, middle(w, width), 0.0, height as f32, middle(h, height)];
    affine(image, matrix, border, interpolation)
}

/// Sheared from its upper left corner: each row comes from `x` pixels farther right than the one above, each column from
/// `y` pixels farther down than the one before.
pub fn shear(image: &Image, x: f64, y: f64, border: Border, interpolation: Interpolation) -> Image {
    affine(image, [1.0, x as f32, 0.0, y as f32, 1.0, 0.0], border, interpolation)
}

/// Fills `to` with what `sample` finds in `image`: it is given a coordinate and what fills the outside.
#[inline(always)]
fn map<const C: usize>(
    image: &Image,
    to: &mut Image,
    m: [f32; 6],
    (mode, fill): Border,
    sample: impl Fn(&Image, f32, f32, u8) -> [u8; C],
) {
    let [height, width, _] = image.shape;
    let (right, bottom) = (width as f32 - 1.0, height as f32 - 1.0);
    for (row, to) in to.pixels.as_chunks_mut::<C>().0.chunks_exact_mut(width).enumerate() {
        let row = row as f32;
        for (column, to) in to.iter_mut().enumerate() {
            let column = column as f32;
            let mut x = m[0] * column + m[1] * row + m[2];
            let mut y = m[3] * column + m[4] * row + m[5];
            if !(0.0 <= x && x <= right && 0.0 <= y && y <= bottom) {
                (x, y) = (inside(x, width, mode), inside(y, height, mode));
            }
            *to = sample(image, x, y, fill);
        }
    }
}

/// The coordinate within `0..=length - 1` that stands for `at`; a constant border keeps what is outside.
fn inside(at: f32, length: usize, mode: FillMode) -> f32 {
    let (size, last) = (length as f32, length as f32 - 1.0);
    let mapped = match mode {
        FillMode::Constant => return at,
        _ if length <= 1 => return 0.0,
        FillMode::Nearest => at,
        FillMode::Reflect if at < 0.0 => {
            let period = 2.0 * size;
            let at = if at < -period { at + period * (-at / period).trunc() } else { at };
            if at < -size { at + period } else { -at - 1.0 }
        }
        FillMode::Reflect if at > last => {
            let period = 2.0 * size;
            let at = at - period * (at / period).trunc();
            if at >= size { period - at - 1.0 } else { at }
        }
        FillMode::Wrap if at < 0.0 => at + size * ((-at / last).trunc() + 1.0),
        FillMode::Wrap if at > last => at - size * (at / last).trunc(),
        FillMode::Reflect | FillMode::Wrap => at,
    };
    mapped.clamp(0.0, last)
}

/// The pixel at a whole coordinate, or what fills the outside.
#[inline(always)]
fn read<const C: usize>(image: &Image, x: i32, y: i32, fill: u8) -> [u8; C] {
    let [height, width, _] = image.shape;
    if x < 0 || y < 0 || x as usize >= width || y as usize >= height {
        return [fill; C];
    }
    let at = (y as usize * width + x as usize) * C;
    std::array::from_fn(|channel| image.pixels[at + channel])
}

#[inline(always)]
fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated - i32::from(truncated as f32 > x)
}

#[inline(always)]
fn nearest<const C: usize>(image: &Image, x: f32, y: f32, fill: u8) -> [u8; C] {
    read(image, floor(x + 0.5), floor(y + 0.5), fill)
}

#[inline(always)]
fn bilinear<const C: usize>(image: &Image, x: f32, y: f32, fill: u8) -> [u8; C] {
    let [height, width, _] = image.shape;
    let (left, top) = (floor(x), floor(y));
    let (across, down) = (x - left as f32, y - top as f32);
    let corners: [[u8; C]; 4] = if 0.0 <= x && x < width as f32 && 0.0 <= y && y < height as f32 {
        // Beyond the last pixel stands what counts nothing, or, for a constant border, what fills the outside.
        let pixels = image.pixels.as_chunks::<C>().0;
        let (left, top) = (left as usize, top as usize);
        let at = top * width + left;
        let (has_right, has_below) = (left + 1 < width, top + 1 < height);
        [
            pixels[at],
            if has_right { pixels[at + 1] } else { [fill; C] },
            if has_below { pixels[at + width] } else { [fill; C] },
            if has_right && has_below { pixels[at + width + 1] } else { [fill; C] },
        ]
    } else {
        let pixel = |right: i32, below: i32| read(image, left.saturating_add(right), top.saturating_add(below), fill);
        [pixel(0, 0), pixel(1, 0), pixel(0, 1), pixel(1, 1)]
    };
    let weights = [(1.0 - across) * (1.0 - down), across * (1.0 - down), (1.0 - across) * down, across * down];
    std::array::from_fn(|channel| {
        let weighted = |corner: usize| weights[corner] * f32::from(corners[corner][channel]);
        (weighted(0) + weighted(1) + weighted(2) + weighted(3) + 0.5) as u8
    })
}
