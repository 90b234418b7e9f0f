//! Images with a hole (Zhong et al., "Random erasing data augmentation", 2017; DeVries and Taylor's cutout is the case of a
//! fixed size), as Keras' `RandomErasing`, but for whole pixels and with a fixed probability in place of its `factor`.

use super::{AugmentationDefinition, Draw, Image, Span, arguments::half, gaussian_noise::Noise};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Covers a random rectangle, in half of the images by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Cutout", "CoarseDropout"], "examples" = [{}, {"scale": 0.25, "fill_value": 0, "probability": 1}]))]
pub struct RandomErasing {
    /// How large it is: its height and width are the square roots of shares from this range, times the image's. With 0.25
    /// it is half as high and as wide as the image.
    #[serde(default = "scale")]
    pub scale: Span<0, 1>,
    /// The value that covers it; where it isn't given, noise does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 255), extend("x-default" = "noise", "x-known-as" = ["value", "fill"]))]
    pub fill_value: Option<u8>,
    /// How likely an image is changed.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for RandomErasing {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if !draw.chance(self.probability) {
            return image;
        }
        let range = self.scale.fixed();
        let [height, width, _] = image.shape;
        let [h, w] = [height, width].map(|length| (draw.between(range).sqrt() * length as f64).round() as usize);
        let corner = [draw.index(height - h), draw.index(width - w)];
        match self.fill_value {
            Some(value) => erase(&mut image, corner, [h, w], || value),
            None => {
                let mut noise = Noise::new(&mut draw.stream);
                erase(&mut image, corner, [h, w], || (255.0 * noise.draw() + 0.5) as u8);
            }
        }
        image
    }
}

fn scale() -> Span<0, 1> {
    Span::Between([0.02, 0.33])
}

/// Covers the rectangle of `size` at `[top, left]` by the values that `fill` gives.
pub fn erase(image: &mut Image, [top, left]: [usize; 2], size: [usize; 2], mut fill: impl FnMut() -> u8) {
    let [_, width, channels] = image.shape;
    for row in image.pixels.chunks_exact_mut(width * channels).skip(top).take(size[0]) {
        row[left * channels..(left + size[1]) * channels].iter_mut().for_each(|value| *value = fill());
    }
}
