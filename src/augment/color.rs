//! Values changed in place, whatever pixels stand beside them; and what needs only the nearest ones.
//!
//! Where a value is the result of real numbers, torchvision's functions cut off what is behind the point, and so do
//! those here that are named after them; Keras' leave it, and it is rounded here.

use super::Image;

/// Each channel's values through a table of its own, which `table` makes from the channel's histogram.
fn through_tables(image: &mut Image, table: impl Fn(&[u32; 256]) -> [u8; 256]) {
    let channels = image.shape[2];
    for channel in 0..channels {
        let mut histogram = [0; 256];
        image.pixels.iter().skip(channel).step_by(channels).for_each(|value| histogram[usize::from(*value)] += 1);
        let table = table(&histogram);
        image.pixels.iter_mut().skip(channel).step_by(channels).for_each(|value| *value = table[usize::from(*value)]);
    }
}

/// All values through one table.
fn through_table(image: &mut Image, new: impl Fn(f32) -> f32) {
    let table: [u8; 256] = std::array::from_fn(|value| new(value as f32) as u8);
    // Adding a whole number takes a tenth of the time that looking up does.
    let first = (table[0], table[255]);
    if first.0 > 0 && (0..=255u8).all(|value| table[usize::from(value)] == value.saturating_add(first.0)) {
        image.pixels.iter_mut().for_each(|value| *value = value.saturating_add(first.0));
        return;
    }
    let less = 255 - first.1;
    if (0..=255u8).all(|value| table[usize::from(value)] == value.saturating_sub(less)) {
        image.pixels.iter_mut().for_each(|value| *value = value.saturating_sub(less));
        return;
    }
    image.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

/// Calls `change` with every pixel of an image in colour.
fn each_color(image: &mut Image, change: impl Fn(&mut [u8; 3])) {
    if image.shape[2] == 3 {
        image.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(change);
    }
}

/// How bright a colour is, by the weights of ITU-R BT.601.
fn luma(pixel: &[u8; 3]) -> f32 {
    let [red, green, blue] = pixel.map(f32::from);
    0.2989 * red + 0.587 * green + 0.114 * blue
}

/// `delta` added to each value, as Keras' `RandomBrightness`.
pub fn add(image: &mut Image, delta: f64) {
    through_table(image, |value| value + delta as f32 + 0.5);
}

/// Each channel's distance from its mean times `factor`, as Keras' `RandomContrast`.
pub fn contrast(image: &mut Image, factor: f64) {
    let factor = factor as f32;
    match image.shape[2] {
        3 => contrast_of::<3>(&mut image.pixels, factor),
        _ => contrast_of::<1>(&mut image.pixels, factor),
    }
}

/// The same of `[..., CHANNELS]`.
fn contrast_of<const CHANNELS: usize>(pixels: &mut [u8], factor: f32) {
    let (pixels, _) = pixels.as_chunks_mut::<CHANNELS>();
    let mut sums = [0u64; CHANNELS];
    // So few at a time that sums of 32 bits hold them.
    for part in pixels.chunks(1 << 20) {
        let mut own = [0u32; CHANNELS];
        for pixel in part {
            (0..CHANNELS).for_each(|channel| own[channel] += u32::from(pixel[channel]));
        }
        (0..CHANNELS).for_each(|channel| sums[channel] += u64::from(own[channel]));
    }
    let tables = sums.map(|sum| -> [u8; 256] {
        let mean = sum as f32 / pixels.len().max(1) as f32;
        std::array::from_fn(|value| ((value as f32 - mean) * factor + mean + 0.5) as u8)
    });
    for pixel in pixels {
        (0..CHANNELS).for_each(|channel| pixel[channel] = tables[channel][usize::from(pixel[channel])]);
    }
}

/// The saturation of the hexcone model times `factor`, as Keras' `RandomSaturation`. Hue and the largest value stay.
pub fn saturation(image: &mut Image, factor: f64) {
    let factor = factor as f32;
    each_color(image, |pixel| {
        let (low, high) = (pixel.iter().min().copied().unwrap_or(0), pixel.iter().max().copied().unwrap_or(0));
        if low == high {
            return;
        }
        let (low, high) = (f32::from(low), f32::from(high));
        // Saturation is 1 at most, and the least value then 0.
        let scale = factor.min(high / (high - low));
        pixel.iter_mut().for_each(|value| *value = (high - (high - f32::from(*value)) * scale + 0.5) as u8);
    });
}

/// The hue turned by `shift`, a fraction of a turn, as Keras' `RandomHue`. Saturation and the largest value stay.
pub fn hue(image: &mut Image, shift: f64) {
    let shift = (shift * 6.0) as f32;
    each_color(image, |pixel| {
        let [red, green, blue] = pixel.map(f32::from);
        let (low, high) = (red.min(green).min(blue), red.max(green).max(blue));
        let range = high - low;
        if range == 0.0 {
            return;
        }
        // In sixths of a turn: red is 0, green 2, blue 4.
        let angle = match high {
            high if high == red => (green - blue) / range,
            high if high == green => 2.0 + (blue - red) / range,
            _ => 4.0 + (red - green) / range,
        } + shift;
        // A channel is full within a sixth of a turn of its own hue, and gone two sixths away.
        *pixel = [0.0, 2.0, 4.0].map(|own: f32| {
            let turned = (angle - own + 12.0) % 6.0;
            let distance = turned.min(6.0 - turned);
            (low + range * (2.0 - distance).clamp(0.0, 1.0) + 0.5) as u8
        });
    });
}

/// Without colour, by Keras' `rgb_to_grayscale`; all channels stay.
pub fn grayscale(image: &mut Image) {
    each_color(image, |pixel| *pixel = [(luma(pixel) + 0.5) as u8; 3]);
}

/// All but the first `bits` bits of each value set to zero.
pub fn posterize(image: &mut Image, bits: u32) {
    let mask = !(0xFFu32 >> bits) as u8;
    image.pixels.iter_mut().for_each(|value| *value &= mask);
}

/// Values of `threshold` and more inverted.
pub fn solarize(image: &mut Image, threshold: f64) {
    let threshold = threshold as f32;
    through_table(image, |value| if value >= threshold { 255.0 - value } else { value });
}

/// Each value's distance from 255.
pub fn invert(image: &mut Image) {
    image.pixels.iter_mut().for_each(|value| *value = !*value);
}

/// Each channel spread so that its histogram is even, as Pillow's and torchvision's `equalize`: in whole numbers.
pub fn equalize(image: &mut Image) {
    through_tables(image, |histogram| {
        let highest = histogram.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
        let step = (histogram.iter().sum::<u32>() - highest) / 255;
        let mut below = step / 2;
        std::array::from_fn(|value| {
            let new = below.checked_div(step).map_or(value, |new| new.min(255) as usize);
            below += histogram[value];
            new as u8
        })
    });
}

/// Each channel stretched so that its least value is 0 and its largest 255, as torchvision's `autocontrast`.
pub fn auto_contrast(image: &mut Image) {
    through_tables(image, |histogram| {
        let low = histogram.iter().position(|count| *count > 0).unwrap_or(0);
        let high = histogram.iter().rposition(|count| *count > 0).unwrap_or(0);
        let scale = (high - low) as f32 * (1.0 / 255.0);
        std::array::from_fn(|value| match low == high {
            true => value as u8,
            false => ((value as f32 - low as f32) / scale) as u8,
        })
    });
}

/// Between the image, at 1, and black, at 0; as torchvision's `adjust_brightness`.
pub fn adjust_brightness(image: &mut Image, factor: f64) {
    through_table(image, |value| value * factor as f32);
}

/// Between the image, at 1, and its grey form, at 0; as torchvision's `adjust_saturation`.
pub fn adjust_saturation(image: &mut Image, factor: f64) {
    let (factor, rest) = (factor as f32, (1.0 - factor) as f32);
    each_color(image, |pixel| {
        let grey = luma(pixel).floor() * rest;
        *pixel = pixel.map(|value| (f32::from(value) * factor + grey) as u8);
    });
}

/// Between the image, at 1, and its mean brightness everywhere, at 0; as torchvision's `adjust_contrast`.
pub fn adjust_contrast(image: &mut Image, factor: f64) {
    let [height, width, channels] = image.shape;
    let sum: u64 = match channels {
        3 => image.pixels.as_chunks::<3>().0.iter().map(|pixel| luma(pixel) as u64).sum(),
        _ => image.pixels.iter().map(|value| u64::from(*value)).sum(),
    };
    let mean = sum as f32 / (height * width) as f32 * (1.0 - factor) as f32;
    through_table(image, |value| value * factor as f32 + mean);
}

/// Between the image, at 1, and its smoothed form, at 0; as torchvision's `adjust_sharpness`. The edge stays.
pub fn adjust_sharpness(image: &mut Image, factor: f64) {
    let [height, width, channels] = image.shape;
    if height <= 2 || width <= 2 {
        return;
    }
    let row_values = width * channels;
    let rest = (1.0 - factor) as f32;
    let old = image.pixels.clone();
    for row in 1..height - 1 {
        let [above, here, below] = [row - 1, row, row + 1].map(|row| &old[row * row_values..(row + 1) * row_values]);
        let new = &mut image.pixels[row * row_values..(row + 1) * row_values];
        for at in channels..row_values - channels {
            let of = |row: &[u8]| [at - channels, at, at + channels].iter().map(|at| u32::from(row[*at])).sum::<u32>();
            // The middle counts five times, its neighbours once; the quotient is rounded.
            let smooth = (2 * (of(above) + of(here) + of(below) + 4 * u32::from(here[at])) + 13) / 26;
            let value = f32::from(here[at]);
            new[at] = (value + (smooth as f32 - value) * rest) as u8;
        }
    }
}
