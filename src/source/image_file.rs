//! Image files as examples: decoded, turned upright, brought to the wanted channels and size.
//!
//! Channels are those of Pillow's `convert`: alpha is dropped, grey is `(19595 R + 38470 G + 7471 B) / 65536` (ITU-R
//! BT.601). Of 16 bits the upper 8 count. Sizes are changed as Pillow's `resize` does it; bilinear is
//! antialiased. Proportions change or are kept as [`Resize`] says.

use super::ImageSize;
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    guard,
};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, metadata::Orientation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    fs::File,
    io::{Cursor, Read},
    path::Path,
};

/// To be changed with anything that gives other bytes for the same file, so that no cache from before is taken.
pub const DECODING: u32 = 1;
const DAMAGED: &str = "its data are damaged";
/// The longest side of an image file, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The most bytes that an image file, and an image in memory, may have.
const MAX_BYTES: u64 = 512 << 20;

/// How an image is brought to another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Weighted means of the neighbouring pixels; of all that fall together where the image shrinks.
    #[default]
    Bilinear,
    /// The nearest pixel.
    Nearest,
}

/// Which channels an image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// Red, green and blue.
    #[default]
    Rgb,
    /// One channel, brightness.
    Grayscale,
}

/// Turns image files into examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageReader {
    /// Height, width and channels of an example; three channels are RGB, one is grey.
    pub shape: [usize; 3],
    /// How an image of another size is brought to it.
    pub interpolation: Interpolation,
    /// What becomes of the proportions.
    pub resize: Resize,
}

/// What becomes of an image's proportions where they aren't those of an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// They change: all of the image fills all of the example.
    #[default]
    Stretch,
    /// They are kept, and what juts out on two sides is cut off, the same on both.
    Crop,
    /// They are kept, and two sides get black margins, the same on both.
    Pad,
}

thread_local! {
    /// Keeps its buffers from one image to the next.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

impl ImageReader {
    /// One that brings images to `size`.
    pub fn new(size: ImageSize, color_mode: ColorMode, interpolation: Interpolation, resize: Resize) -> Self {
        let channels = match color_mode {
            ColorMode::Rgb => 3,
            ColorMode::Grayscale => 1,
        };
        ImageReader { shape: [size.height(), size.width(), channels], interpolation, resize }
    }

    /// One that doesn't keep proportions.
    pub fn stretching(shape: [usize; 3], interpolation: Interpolation) -> Self {
        ImageReader { shape, interpolation, resize: Resize::Stretch }
    }

    /// Reads an example from a JPEG, PNG, WebP or BMP file.
    ///
    /// # Errors
    /// Where the file cannot be read or decoded, or is larger than an image reasonably is.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        self.decode(&read_bounded(path)?, path)
    }

    /// The same from the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// Where they cannot be decoded, or tell of an image larger than one reasonably is.
    pub fn decode(&self, bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
        let bad = |reason: &str| {
            Box::new(Diagnostic::error(Code::BAD_IMAGE, format!("cannot decode {}: {reason}", path.display())))
        };
        let decoded =
            guard::caught(|| decode(bytes)).unwrap_or_else(|_| Err(format!("{DAMAGED} (they contradict each other)")));
        let image = decoded.map_err(|reason| bad(&reason))?;
        let [height, width, channels] = self.shape;
        let (have_width, have_height) = (image.width(), image.height());
        let values = match channels {
            1 => grey(image),
            3 => rgb(image),
            other => return Err(bad(&format!("no image has {other} channels"))),
        };
        let (Ok(want_width), Ok(want_height)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(bad("the wanted size is too large"));
        };
        if (have_width, have_height) == (want_width, want_height) {
            return Ok(values);
        }
        let pixel = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let algorithm = match self.interpolation {
            Interpolation::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
            Interpolation::Nearest => ResizeAlg::Nearest,
        };
        let from = Image::from_vec_u8(have_width, have_height, values, pixel).map_err(|e| bad(&e.to_string()))?;
        let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
        let (have, want) = ([have_height, have_width], [want_height, want_width]);
        let (window, filled) = match self.resize {
            Resize::Stretch => (have, want),
            Resize::Crop => (largest_within(have, want), want),
            Resize::Pad => (have, largest_within(want, have)),
        };
        let [top, left] = [0, 1].map(|side| f64::from((have[side] - window[side]) / 2));
        let options = options.crop(left, top, f64::from(window[1]), f64::from(window[0]));
        let mut to = Image::new(filled[1], filled[0], pixel);
        RESIZER
            .with_borrow_mut(|resizer| resizer.resize(&from, &mut to, Some(&options)))
            .map_err(|error| bad(&error.to_string()))?;
        Ok(if filled == want { to.into_vec() } else { centred(&to.into_vec(), filled, want, channels) })
    }
}

/// The largest height and width that lie within `bounds` and have the proportions of `like`; at least one pixel each.
fn largest_within(bounds: [u32; 2], like: [u32; 2]) -> [u32; 2] {
    let scaled = |side: usize| {
        let other = 1 - side;
        let whole = u64::from(bounds[other]) * u64::from(like[side]) / u64::from(like[other]);
        u32::try_from(whole).unwrap_or(u32::MAX).clamp(1, bounds[side])
    };
    [scaled(0), scaled(1)]
}

/// An image amid black margins.
fn centred(values: &[u8], size: [u32; 2], want: [u32; 2], channels: usize) -> Vec<u8> {
    let [height, width] = want.map(|side| side as usize);
    let [top, left] = [0, 1].map(|side| ((want[side] - size[side]) / 2) as usize);
    let row = size[1] as usize * channels;
    let mut all = vec![0; height * width * channels];
    for (number, values) in values.chunks_exact(row).enumerate() {
        let start = ((top + number) * width + left) * channels;
        all[start..start + row].copy_from_slice(values);
    }
    all
}

/// All of a file, unless it is larger than an image reasonably is.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| io_error("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    read_stream(file, length, path)
}

/// All of a stream that is expected to hold `length` bytes, unless it holds more than an image reasonably does; `path` is
/// for messages.
pub(super) fn read_stream(stream: impl Read, length: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if length <= MAX_BYTES {
        bytes.reserve_exact(length as usize + 1);
        // It may have grown meanwhile.
        stream.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| io_error("read", path, &error))?;
    }
    if length > MAX_BYTES || bytes.len() as u64 > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        let message = format!("{} is larger than {limit} MiB, the most that is read as an image", path.display());
        return Err(Box::new(Diagnostic::error(Code::BAD_IMAGE, message)));
    }
    Ok(bytes)
}

/// Height and width that an image file names, turned upright; nothing where it names none.
pub(super) fn image_size(bytes: &[u8]) -> Option<[usize; 2]> {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let lies = matches!(orientation(&mut decoder, bytes), Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH);
    Some(if lies { [width, height] } else { [height, width] })
}

/// How an image has to be turned. Metadata that cannot be read don't make it unreadable.
fn orientation(decoder: &mut impl ImageDecoder, bytes: &[u8]) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    let exif = exif.or_else(|| late_exif(bytes));
    exif.and_then(|exif| {
        // Some programs put a JPEG's marker before it in other formats, too.
        Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif))
    })
    .unwrap_or(Orientation::NoTransforms)
}

/// The Exif data of a PNG file, wherever they stand: the decoder knows only those before the pixels.
fn late_exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    // Length, type, content, checksum.
    while let (Some(length), Some(kind)) = (rest.get(..4), rest.get(4..8)) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if kind == b"eXIf" {
            return rest.get(8..8 + length).map(<[u8]>::to_vec);
        }
        rest = rest.get(8 + length + 4..)?;
    }
    None
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);

    let mut reader =
        image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("it is no JPEG, PNG, WebP or BMP image".to_owned());
    }
    // The decoder would make up the rest.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_is_whole(bytes) {
        return Err("the file ends before the image does".to_owned());
    }
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(reason)?;
    // The decoder has read no more than the header so far.
    limits.reserve(decoder.total_bytes()).map_err(reason)?;
    decoder.set_limits(limits).map_err(reason)?;
    if decoder.dimensions().0 == 0 || decoder.dimensions().1 == 0 {
        return Err("it has no pixels".to_owned());
    }
    let orientation = orientation(&mut decoder, bytes);
    let mut image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a JPEG file reaches its end marker.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    /// Start of image, temporary, and restarts stand alone; all others but the end have a length.
    const ALONE: [std::ops::RangeInclusive<u8>; 3] = [0xD8..=0xD8, 0x01..=0x01, 0xD0..=0xD7];
    const END: u8 = 0xD9;
    let mut at = 0;
    // In a scan, 0xFF 0x00 is a value and no marker.
    while let Some(offset) = bytes.get(at..).and_then(|rest| memchr::memchr(0xFF, rest)) {
        at += offset;
        match bytes.get(at + 1) {
            None => return false,
            Some(&END) => return true,
            // A filling byte.
            Some(0xFF) => at += 1,
            Some(0x00) => at += 2,
            Some(alone) if ALONE.iter().any(|range| range.contains(alone)) => at += 2,
            Some(_) => match bytes.get(at + 2..at + 4) {
                // What lies within a segment, such as a thumbnail, doesn't count.
                Some(length) => at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
        }
    }
    false
}

/// What a decoder complains of, in our words, and its own for what is left.
fn reason(error: ImageError) -> String {
    /// How the decoders say that bytes are missing, and that there would be too many of them.
    const CUT: [&str; 3] = ["unexpected end of file", "failed to fill whole buffer", "does not have enough data"];
    const LARGE: [&str; 2] = ["too large", "exceeds"];
    let text = error.to_string();
    let has = |words: &[&str]| words.iter().any(|words| text.to_lowercase().contains(words));
    let cut = matches!(&error, ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof);
    match error {
        _ if cut || has(&CUT) => "the file ends before the image does".to_owned(),
        ImageError::Limits(_) => too_large(),
        ImageError::Decoding(_) if has(&LARGE) => too_large(),
        ImageError::Unsupported(_) => "it is no JPEG, PNG, WebP or BMP image, or a rare kind of one".to_owned(),
        _ => {
            // "Format error decoding Jpeg: Error parsing SOF segment. Reason:..."
            let detail = text.rsplit(": ").next().unwrap_or_default().rsplit("Reason:").next().unwrap_or_default();
            format!("{DAMAGED} ({})", detail.lines().next().unwrap_or_default().trim().trim_end_matches('.'))
        }
    }
}

fn too_large() -> String {
    format!("it is larger than {MAX_SIDE} pixels a side or {} MiB in memory, the most that is read", MAX_BYTES >> 20)
}

fn upper(value: u16) -> u8 {
    (value >> 8) as u8
}

fn narrow(values: Vec<u16>) -> Vec<u8> {
    values.into_iter().map(upper).collect()
}

/// Of every `from` values the first `to`, as bytes.
fn keep(values: &[u8], from: usize, to: usize) -> Vec<u8> {
    values.chunks_exact(from).flat_map(|pixel| &pixel[..to]).copied().collect()
}

/// Bytes of one or three channels, and how many.
fn opaque(image: DynamicImage) -> (Vec<u8>, usize) {
    match image {
        DynamicImage::ImageLuma8(image) => (image.into_raw(), 1),
        DynamicImage::ImageLumaA8(image) => (keep(&image.into_raw(), 2, 1), 1),
        DynamicImage::ImageLuma16(image) => (narrow(image.into_raw()), 1),
        DynamicImage::ImageLumaA16(image) => (keep(&narrow(image.into_raw()), 2, 1), 1),
        DynamicImage::ImageRgb8(image) => (image.into_raw(), 3),
        DynamicImage::ImageRgba8(image) => (keep(&image.into_raw(), 4, 3), 3),
        DynamicImage::ImageRgb16(image) => (narrow(image.into_raw()), 3),
        DynamicImage::ImageRgba16(image) => (keep(&narrow(image.into_raw()), 4, 3), 3),
        // Floating-point images come from none of our formats.
        other => (other.into_rgb8().into_raw(), 3),
    }
}

fn rgb(image: DynamicImage) -> Vec<u8> {
    match opaque(image) {
        (grey, 1) => grey.into_iter().flat_map(|value| [value; 3]).collect(),
        (rgb, _) => rgb,
    }
}

fn grey(image: DynamicImage) -> Vec<u8> {
    match opaque(image) {
        (grey, 1) => grey,
        (rgb, _) => rgb.chunks_exact(3).map(|pixel| luma([pixel[0], pixel[1], pixel[2]])).collect(),
    }
}

/// ITU-R BT.601 in fixed point, as Pillow.
fn luma(rgb: [u8; 3]) -> u8 {
    let [red, green, blue] = rgb.map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};
    use serde_json::Value;

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn read(bytes: &[u8], shape: [usize; 3]) -> Result<Vec<u8>> {
        ImageReader::stretching(shape, Interpolation::Bilinear).decode(bytes, Path::new("some/cat.png"))
    }

    #[test]
    fn sizes_change_as_pillow_changes_them() {
        let text = include_str!("../../tests/parity/resize.json");
        let fixtures: Value = serde_json::from_str(text).unwrap();
        let tensor = |value: &Value| -> (Vec<usize>, Vec<u8>) {
            let numbers = |key: &str| value[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap());
            (numbers("shape").map(|n| n as usize).collect(), numbers("data").map(|n| n as u8).collect())
        };
        let cases = fixtures["cases"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let (from, pixels) = tensor(&case["input"]);
            let (to, want) = tensor(&case["output"]);
            let interpolation: Interpolation = serde_json::from_value(case["filter"].clone()).unwrap();
            let image = ImageBuffer::<Rgb<u8>, _>::from_raw(from[1] as u32, from[0] as u32, pixels).unwrap();
            let reader = ImageReader::stretching([to[0], to[1], 3], interpolation);
            let got = reader.decode(&encoded(image, ImageFormat::Png), Path::new("case.png")).unwrap();
            assert_eq!(got.len(), want.len());
            let worst = got.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            let allowed = if interpolation == Interpolation::Nearest { 0 } else { 1 };
            assert!(worst <= allowed, "{}: {worst} levels apart", case["name"]);
        }
    }

    #[test]
    fn every_kind_of_pixel_becomes_rgb_or_grey() {
        // 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
        let kinds: [(DynamicImage, [u8; 3], u8); 8] = [
            (ImageBuffer::from_pixel(2, 1, Rgb([200u8, 100, 50])).into(), [200, 100, 50], 124),
            (ImageBuffer::from_pixel(2, 1, Rgba([200u8, 100, 50, 0])).into(), [200, 100, 50], 124),
            (ImageBuffer::from_pixel(2, 1, Luma([7u8])).into(), [7; 3], 7),
            (ImageBuffer::from_pixel(2, 1, LumaA([7u8, 9])).into(), [7; 3], 7),
            (ImageBuffer::from_pixel(2, 1, Rgb([0xC8FFu16, 0x6400, 0x3280])).into(), [200, 100, 50], 124),
            (ImageBuffer::from_pixel(2, 1, Rgba([0xC8FFu16, 0x6400, 0x3280, 0])).into(), [200, 100, 50], 124),
            (ImageBuffer::from_pixel(2, 1, Luma([0x07FFu16])).into(), [7; 3], 7),
            (ImageBuffer::from_pixel(2, 1, LumaA([0x07FFu16, 1])).into(), [7; 3], 7),
        ];
        for (image, rgb, grey) in kinds {
            let bytes = encoded(image, ImageFormat::Png);
            assert_eq!(read(&bytes, [1, 2, 3]).unwrap(), [rgb, rgb].concat());
            assert_eq!(read(&bytes, [1, 2, 1]).unwrap(), [grey; 2]);
        }
        assert_eq!([luma([255; 3]), luma([0; 3]), luma([255, 0, 0])], [255, 0, 76]);
    }

    #[test]
    fn every_format_is_read_whatever_its_name() {
        let image = ImageBuffer::from_pixel(8, 8, Rgb([250u8, 250, 250]));
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
            let values = read(&encoded(image.clone(), format), [4, 4, 3]).unwrap();
            assert!(values.iter().all(|value| value.abs_diff(250) <= 1), "{format:?}: {values:?}");
        }
    }

    #[test]
    fn images_are_turned_upright() {
        let mut image = ImageBuffer::from_pixel(16, 8, Rgb([255u8; 3]));
        image.enumerate_pixels_mut().filter(|(x, _, _)| *x < 8).for_each(|(_, _, pixel)| *pixel = Rgb([0; 3]));
        let plain = encoded(image, ImageFormat::Jpeg);
        // An Exif segment whose only entry says orientation 6: turned by 90 degrees clockwise to be upright.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut turned = plain[..2].to_vec();
        turned.extend([0xFF, 0xE1, 0, exif.len() as u8 + 2]);
        turned.extend(exif);
        turned.extend(&plain[2..]);
        // The dark left half is on top then.
        let upright = read(&turned, [16, 8, 1]).unwrap();
        assert!(upright[0] < 20 && upright[7] < 20 && upright[15 * 8] > 235, "{upright:?}");
        let flat = read(&plain, [8, 16, 1]).unwrap();
        assert!(flat[0] < 20 && flat[7 * 16] < 20 && flat[15] > 235);
    }

    #[test]
    fn hostile_and_broken_files_are_refused() {
        let png = encoded(ImageBuffer::from_pixel(40, 40, Rgb([1u8, 2, 3])), ImageFormat::Png);
        let mut noise = ImageBuffer::from_pixel(64, 64, Rgb([0u8; 3]));
        noise.enumerate_pixels_mut().for_each(|(x, y, p)| *p = Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, 9]));
        let jpeg = encoded(noise, ImageFormat::Jpeg);
        // The header of a bitmap of 20,000 by 20,000 pixels, and nothing else.
        let mut huge = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        huge.extend(20_000u32.to_le_bytes());
        huge.extend(20_000u32.to_le_bytes());
        huge.extend([1, 0, 24, 0]);
        huge.extend([0; 24]);
        for (bytes, want) in [
            (&png[..png.len() / 2], "cannot decode some/cat.png: "),
            (&jpeg[..jpeg.len() / 2], "cannot decode some/cat.png: "),
            (&jpeg[..jpeg.len() - 40], "cannot decode some/cat.png: "),
            (b"", "the file is empty"),
            (b"GIF89a\x01\0\x01\0\0\0\0", "no JPEG, PNG, WebP or BMP"),
            (b"just some text", "no JPEG, PNG, WebP or BMP"),
            (&huge, "larger than 16384 pixels a side"),
        ] {
            let complaint = read(bytes, [4, 4, 3]).unwrap_err();
            assert_eq!(complaint.code, Code::BAD_IMAGE);
            assert!(complaint.message.contains(want), "{complaint}");
        }
    }

    #[test]
    fn proportions_are_kept_where_that_is_wanted() {
        // A black, a white and a black square in a row.
        let mut image = ImageBuffer::from_pixel(12, 4, Luma([0u8]));
        image.enumerate_pixels_mut().filter(|(x, _, _)| (4..8).contains(x)).for_each(|(_, _, p)| *p = Luma([240]));
        let bytes = encoded(image, ImageFormat::Png);
        let read = |resize, shape| {
            let reader = ImageReader { shape, interpolation: Interpolation::Nearest, resize };
            reader.decode(&bytes, Path::new("a.png")).unwrap()
        };
        assert_eq!(read(Resize::Crop, [2, 2, 1]), [240; 4]);
        assert_eq!(read(Resize::Stretch, [1, 3, 1]), [0, 240, 0]);
        assert_eq!(read(Resize::Pad, [3, 3, 1]), [0, 0, 0, 0, 240, 0, 0, 0, 0]);
        assert_eq!(read(Resize::Pad, [3, 3, 3])[12..15], [240; 3]);
        // Nothing is too narrow: at least a pixel is left.
        let line = encoded(ImageBuffer::from_pixel(500, 1, Luma([9u8])), ImageFormat::Png);
        for resize in [Resize::Crop, Resize::Pad] {
            let reader = ImageReader { shape: [4, 4, 1], interpolation: Interpolation::Bilinear, resize };
            assert!(reader.decode(&line, Path::new("a.png")).unwrap().contains(&9));
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let reader = ImageReader::stretching([4, 4, 3], Interpolation::Nearest);
        let complaint = reader.read_file(Path::new("/nowhere/dog.png")).unwrap_err();
        assert_eq!(complaint.message, "cannot read /nowhere/dog.png: no such file or directory");
    }
}
