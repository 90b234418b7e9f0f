//! Parts of images, as torchvision's `RandomCrop`, whose padding Keras' layer lacks; height and width are named as there.

use super::{AugmentationDefinition, Draw, Image};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes a part of each image at a random place, after padding it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "padding", "examples" = [{"padding": 4}, {"padding": 4, "padding_mode": "reflect"}, {"height": 8, "width": 8, "padding": 2}]))]
pub struct RandomCrop {
    /// The height of the part; the image's where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384), extend("x-default" = "the image's height"))]
    pub height: Option<usize>,
    /// The width of the part; the image's where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384), extend("x-default" = "the image's width"))]
    pub width: Option<usize>,
    /// How many pixels are added on each side before.
    #[serde(default)]
    #[schemars(range(max = 16384))]
    pub padding: usize,
    /// What is added.
    #[serde(default)]
    pub padding_mode: PaddingMode,
}

impl AugmentationDefinition for RandomCrop {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        let [height, width, _] = image.shape;
        let size = [self.height.unwrap_or(height), self.width.unwrap_or(width)];
        let top = draw.index(height + 2 * self.padding - size[0]);
        let left = draw.index(width + 2 * self.padding - size[1]);
        crop(&image, [top, left], size, self.padding, self.padding_mode)
    }

    fn output_size(&self, [height, width]: [usize; 2]) -> Result<[usize; 2], String> {
        let size = [self.height.unwrap_or(height), self.width.unwrap_or(width)];
        let padded = [height + 2 * self.padding, width + 2 * self.padding];
        match size[0] <= padded[0] && size[1] <= padded[1] {
            true => Ok(size),
            false => Err(format!("{}x{} pixels are not in an image of {}x{}", size[0], size[1], padded[0], padded[1])),
        }
    }
}

/// What stands in the padding around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// Zero.
    #[default]
    Constant,
    /// The image mirrored at its edge, the edge itself once.
    Reflect,
}

/// The part of `size` whose corner is at `[top, left]` of `image` with `padding` around it.
pub fn crop(image: &Image, [top, left]: [usize; 2], size: [usize; 2], padding: usize, mode: PaddingMode) -> Image {
    let [height, width, channels] = image.shape;
    let mut out = Image::filled([size[0], size[1], channels], 0);
    let row_values = size[1] * channels;
    for (row, to) in out.pixels.chunks_exact_mut(row_values).enumerate() {
        let Some(row) = source(top + row, padding, height, mode) else { continue };
        let from = &image.pixels[row * width * channels..(row + 1) * width * channels];
        // The columns that the image itself has are copied at once.
        let inner = padding.saturating_sub(left).min(size[1])..(padding + width).saturating_sub(left).min(size[1]);
        if !inner.is_empty() {
            let start = (inner.start + left - padding) * channels;
            to[inner.start * channels..inner.end * channels]
                .copy_from_slice(&from[start..start + inner.len() * channels]);
        }
        for column in (0..inner.start).chain(inner.end.max(inner.start)..size[1]) {
            if let Some(source) = source(left + column, padding, width, mode) {
                to[column * channels..(column + 1) * channels]
                    .copy_from_slice(&from[source * channels..(source + 1) * channels]);
            }
        }
    }
    out
}

/// Which of `length` rows or columns stands at `at` of the padded ones.
fn source(at: usize, padding: usize, length: usize, mode: PaddingMode) -> Option<usize> {
    if at >= padding && at - padding < length {
        return Some(at - padding);
    }
    (mode == PaddingMode::Reflect).then(|| reflect(at as i64 - padding as i64, length))
}

/// The index within `0..length` that mirroring without repeating the edge makes of `at`, however far off it is.
pub fn reflect(at: i64, length: usize) -> usize {
    let last = length as i64 - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    at.min(2 * last - at) as usize
}
