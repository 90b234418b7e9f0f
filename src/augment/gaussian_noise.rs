//! Noise on every value, as Keras' `GaussianNoise`: without correlation, normal.

use super::{AugmentationDefinition, Draw, Image, arguments::always};
use crate::random::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds normal noise to all values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "stddev", "examples" = [{"stddev": 10}]))]
pub struct GaussianNoise {
    /// The standard deviation, where values are from 0 to 255.
    #[schemars(range(min = 0, max = 255), extend("x-known-as" = ["sigma", "std"], "examples" = [10]))]
    pub stddev: f64,
    /// How likely an image is changed.
    #[serde(default = "always")]
    #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["p"]))]
    pub probability: f64,
}

impl AugmentationDefinition for GaussianNoise {
    fn apply(&self, mut image: Image, draw: &mut Draw) -> Image {
        if draw.chance(self.probability) {
            add(&mut image, self.stddev, &mut draw.stream);
        }
        image
    }
}

/// Adds noise of a standard deviation in the values' own unit, 0 to 255.
pub fn add(image: &mut Image, stddev: f64, stream: &mut Stream) {
    let mut noise = Noise::new(stream);
    let stddev = stddev as f32;
    image.pixels.iter_mut().for_each(|value| *value = (f32::from(*value) + stddev * noise.draw() + 0.5) as u8);
}

/// Standard normal numbers of single precision, two at a time by Marsaglia's polar method, which needs no sine.
pub struct Noise<'a> {
    stream: &'a mut Stream,
    second: Option<f32>,
}

impl<'a> Noise<'a> {
    /// Noise from `stream`.
    pub fn new(stream: &'a mut Stream) -> Self {
        Noise { stream, second: None }
    }

    /// The next number.
    pub fn draw(&mut self) -> f32 {
        if let Some(second) = self.second.take() {
            return second;
        }
        // From -1 to 1, with the middle of each step, so that no number is zero.
        let mut unit = || ((self.stream.bits() >> 9) as f32 + 0.5) / (1 << 22) as f32 - 1.0;
        loop {
            let (a, b) = (unit(), unit());
            let square = a * a + b * b;
            if square < 1.0 {
                let scale = (-2.0 * square.ln() / square).sqrt();
                self.second = Some(b * scale);
                return a * scale;
            }
        }
    }
}
