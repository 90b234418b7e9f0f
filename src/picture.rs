//! Small pictures as PNG in base 64, as records keep them and pages show them.

use crate::text::base64;
use image::{
    DynamicImage, GrayImage, RgbImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

/// The longest side of an image that is shown: a report with hundreds of them should stay small.
const LONGEST: u32 = 64;

/// An image, `[height, width, channels]`, as PNG in base 64, made smaller where it is large; nothing where it has neither
/// one channel nor three.
pub fn thumbnail(values: &[u8], shape: [usize; 3]) -> Option<String> {
    let image = image_of(values, shape)?;
    encoded(if image.width().max(image.height()) > LONGEST { image.thumbnail(LONGEST, LONGEST) } else { image })
}

/// An image, `[height, width, channels]`, as PNG in base 64, pixel by pixel; nothing where it has neither one channel nor
/// three.
pub fn png(values: &[u8], shape: [usize; 3]) -> Option<String> {
    encoded(image_of(values, shape)?)
}

fn image_of(values: &[u8], [height, width, channels]: [usize; 3]) -> Option<DynamicImage> {
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    Some(match channels {
        1 => DynamicImage::from(GrayImage::from_raw(width, height, values.to_vec())?),
        3 => DynamicImage::from(RgbImage::from_raw(width, height, values.to_vec())?),
        _ => return None,
    })
}

fn encoded(image: DynamicImage) -> Option<String> {
    let mut bytes = Vec::new();
    // Records keep them for years, and pages hold hundreds of them.
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    image.write_with_encoder(encoder).ok()?;
    Some(base64(&bytes))
}

/// Images of one shape, `[height, width, channels]`, side by side and below each other, `columns` in a row, with a line of
/// middle gray between them; gives the values and the shape.
pub fn sheet(images: &[Vec<u8>], [height, width, channels]: [usize; 3], columns: usize) -> (Vec<u8>, [usize; 3]) {
    const LINE: usize = 1;
    let columns = columns.clamp(1, images.len().max(1));
    let rows = images.len().div_ceil(columns);
    let (tall, wide) = (rows * (height + LINE) - LINE.min(rows), columns * (width + LINE) - LINE);
    let mut values = vec![128; tall * wide * channels];
    for (at, image) in images.iter().enumerate() {
        let (top, left) = (at / columns * (height + LINE), at % columns * (width + LINE));
        for (y, row) in image.chunks_exact(width * channels).enumerate() {
            let start = ((top + y) * wide + left) * channels;
            values[start..start + row.len()].copy_from_slice(row);
        }
    }
    (values, [tall, wide, channels])
}

/// Numbers as bytes: the least becomes 0, the largest 255; all 0 where they are the same.
pub fn stretched(values: &[f32]) -> Vec<u8> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (least, most) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let scale = if most > least { 255.0 / (most - least) } else { 0.0 };
    values.iter().map(|value| ((value - least) * scale).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::from_base64;

    #[test]
    fn large_images_are_shown_small() {
        let shown = |shape: [usize; 3]| {
            let text = thumbnail(&vec![7; shape.iter().product()], shape).unwrap();
            // A PNG names its width and height in its 17th to 24th byte: three bytes are four letters.
            let bytes = from_base64(&text).unwrap();
            [&bytes[16..20], &bytes[20..24]].map(|side| u32::from_be_bytes(side.try_into().unwrap()))
        };
        assert_eq!(shown([50, 60, 3]), [60, 50]);
        assert_eq!(shown([300, 600, 1]), [64, 32]);
        assert_eq!(thumbnail(&[0; 8], [2, 2, 2]), None);
    }

    #[test]
    fn a_sheet_holds_each_image_once() {
        let (values, shape) = sheet(&[vec![1], vec![2], vec![3]], [1, 1, 1], 2);
        assert_eq!((values, shape), (vec![1, 128, 2, 128, 128, 128, 3, 128, 128], [3, 3, 1]));
        assert_eq!(sheet(&[vec![9; 4]], [2, 2, 1], 8), (vec![9; 4], [2, 2, 1]));
    }

    #[test]
    fn numbers_fill_the_range_of_bytes() {
        assert_eq!(stretched(&[-1.0, 0.0, 1.0]), [0, 128, 255]);
        assert_eq!(stretched(&[3.0, 3.0]), [0, 0]);
        assert_eq!(stretched(&[0.0, f32::NAN, 2.0]), [0, 0, 255]);
    }
}
