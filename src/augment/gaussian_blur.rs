//! Blurred images, as torchvision's `GaussianBlur`; beyond the edge the image is mirrored.

use super::{AugmentationDefinition, Draw, Image, Span, arguments::always, random_crop::reflect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Blurs images by random widths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RandomGaussianBlur", "Blur"], "examples" = [{}, {"kernel_size": 5, "sigma": [0.1, 1.5], "probability": 0.5}]))]
pub struct GaussianBlur {
    /// How many pixels, an odd number, a value is made of in each direction.
    #[serde(default = "three", deserialize_with = "odd")]
    #[schemars(range(min = 1, max = 99))]
    pub kernel_size: usize,
    /// The standard deviation in pixels: a number, or a range to draw it from.
    #[serde(default = "sigma")]
    pub sigma: Span<0, 100>,
    /// How likely an image is changed.
    #[serde(default = "always")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for GaussianBlur {
    fn apply(&self, image: Image, draw: &mut Draw) -> Image {
        if !draw.chance(self.probability) {
            return image;
        }
        let sigma = draw.between(self.sigma.fixed());
        blur(image, self.kernel_size, sigma)
    }
}

fn three() -> usize {
    3
}

fn sigma() -> Span<0, 100> {
    Span::Between([0.1, 2.0])
}

fn odd<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let number = usize::deserialize(deserializer)?;
    match number % 2 {
        1 => Ok(number),
        _ => Err(serde::de::Error::custom(format!("it takes an odd number, not {number}"))),
    }
}

/// Each value the mean of `size` in each direction, weighted by a normal curve.
pub fn blur(mut image: Image, size: usize, sigma: f64) -> Image {
    let [height, width, channels] = image.shape;
    let radius = (size / 2) as i64;
    let weight = |at: i64| (-0.5 * (at as f64 / sigma.max(1e-3)).powi(2)).exp();
    let sum: f64 = (-radius..=radius).map(weight).sum();
    let weights: Vec<f32> = (-radius..=radius).map(|at| (weight(at) / sum) as f32).collect();
    let row_values = width * channels;
    // Downwards into a row of sums, and from there sideways.
    let mut sums = vec![0.0f32; row_values];
    let old = image.pixels.clone();
    let columns: Vec<usize> =
        (-radius..width as i64 + radius).map(|column| reflect(column, width) * channels).collect();
    for (row, new) in image.pixels.chunks_exact_mut(row_values).enumerate().take(height) {
        sums.fill(0.0);
        for (weight, offset) in weights.iter().zip(-radius..) {
            let from = reflect(row as i64 + offset, height) * row_values;
            let from = &old[from..from + row_values];
            sums.iter_mut().zip(from).for_each(|(sum, value)| *sum += weight * f32::from(*value));
        }
        for (column, new) in new.chunks_exact_mut(channels).enumerate() {
            let near = &columns[column..column + weights.len()];
            for (channel, new) in new.iter_mut().enumerate() {
                let value: f32 = weights.iter().zip(near).map(|(weight, at)| weight * sums[at + channel]).sum();
                *new = (value + 0.5) as u8;
            }
        }
    }
    image
}
