//! Mirrored images, as Keras' `RandomFlip`.

use super::{AugmentationDefinition, Draw, Image, arguments::half};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mirrors images at random, half of them by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomHorizontalFlip", "RandomVerticalFlip", "HorizontalFlip", "VerticalFlip", "Fliplr"], "x-bare" = "mode", "examples" = [{}, {"mode": "horizontal"}]))]
pub struct RandomFlip {
    /// Which sides change places.
    #[serde(default)]
    pub mode: FlipMode,
    /// How likely an image is mirrored; with both modes they go together, as in Keras.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for RandomFlip {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            if self.mode != FlipMode::Vertical {
                flip_horizontally(&mut image);
            }
            if self.mode != FlipMode::Horizontal {
                flip_vertically(&mut image);
            }
        }
        image
    }
}

/// Which sides of an image change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlipMode {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
    /// Left and right, and top and bottom.
    #[default]
    HorizontalAndVertical,
}

/// Left and right change places.
pub fn flip_horizontally(image: &mut Image) {
    let [_, width, channels] = image.shape;
    for row in image.pixels.chunks_exact_mut(width * channels) {
        match channels {
            3 => row.as_chunks_mut::<3>().0.reverse(),
            _ => row.reverse(),
        }
    }
}

/// Top and bottom change places.
pub fn flip_vertically(image: &mut Image) {
    let [height, width, channels] = image.shape;
    let (top, bottom) = image.pixels.split_at_mut(height / 2 * width * channels);
    let rows = top.chunks_exact_mut(width * channels).zip(bottom.chunks_exact_mut(width * channels).rev());
    rows.for_each(|(above, below)| above.swap_with_slice(below));
}
