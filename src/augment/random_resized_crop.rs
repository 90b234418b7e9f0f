//! Parts of images at other scales, as torchvision's `RandomResizedCrop`.

use super::{
    AugmentationDefinition, Draw, Image,
    random_crop::{PaddingMode, crop},
};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::ImageRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes a random part of each image and brings it to one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomSizedCrop"], "x-bare" = "scale", "examples" = [{}, {"scale": [0.5, 1]}, {"height": 8, "width": 8}]))]
pub struct RandomResizedCrop {
    /// The height of what comes out; the image's where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384), extend("x-default" = "the image's height"))]
    pub height: Option<usize>,
    /// The width of what comes out; the image's where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384), extend("x-default" = "the image's width"))]
    pub width: Option<usize>,
    /// The part's share of the area: the least and the largest.
    #[serde(default = "scale")]
    #[schemars(inner(range(min = 0, max = 1)))]
    pub scale: [f64; 2],
    /// The part's width divided by its height: the least and the largest.
    #[serde(default = "ratio")]
    #[schemars(inner(range(min = 0.01, max = 100)))]
    pub ratio: [f64; 2],
}

impl AugmentationDefinition for RandomResizedCrop {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        let [height, width, _] = image.shape;
        let part = self.part([height, width], draw);
        resized_crop(&image, part, [self.height.unwrap_or(height), self.width.unwrap_or(width)])
    }

    fn output_size(&self, [height, width]: [usize; 2]) -> Result<[usize; 2], String> {
        Ok([self.height.unwrap_or(height), self.width.unwrap_or(width)])
    }
}

fn scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

impl RandomResizedCrop {
    /// Top, left, height and width of a random part; the largest one in the middle where ten tries don't fit.
    fn part(&self, [height, width]: [usize; 2], draw: &mut Draw) -> [usize; 4] {
        let area = (height * width) as f64;
        let fits = |length: f64, within: usize| (1.0..=within as f64).contains(&length);
        for _ in 0..10 {
            let area = area * draw.between(self.scale);
            let ratio = draw.between(self.ratio.map(f64::ln)).exp();
            let (h, w) = ((area / ratio).sqrt().round(), (area * ratio).sqrt().round());
            if fits(h, height) && fits(w, width) {
                let (h, w) = (h as usize, w as usize);
                return [draw.index(height - h), draw.index(width - w), h, w];
            }
        }
        let own = width as f64 / height as f64;
        let ratio = own.max(self.ratio[0]).min(self.ratio[1]);
        let h = if own < ratio { (width as f64 / ratio).round().max(1.0) as usize } else { height };
        let w = if own > ratio { (height as f64 * ratio).round().max(1.0) as usize } else { width };
        [(height - h) / 2, (width - w) / 2, h, w]
    }
}

/// The part of `image` with its corner at `[top, left]`, resized to `size`: bilinear, with antialiasing.
pub fn resized_crop(image: &Image, [top, left, height, width]: [usize; 4], size: [usize; 2]) -> Image {
    // Cut out first, for no pixel beyond the part may count.
    let part = crop(image, [top, left], [height, width], 0, PaddingMode::Constant);
    let channels = image.shape[2];
    let kind = if channels == 3 { PixelType::U8x3 } else { PixelType::U8 };
    let from = ImageRef::new(width as u32, height as u32, &part.pixels, kind).expect("an image's values");
    let mut to = fast_image_resize::images::Image::new(size[1] as u32, size[0] as u32, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&from, &mut to, &options).expect("images of one kind");
    Image { shape: [size[0], size[1], channels], pixels: to.into_vec() }
}
