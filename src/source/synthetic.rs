//! Pictures of shapes, made on the fly: for tests and benchmarks that should need no data.

use super::{
    ColorMode, Dataset, Declared, Examples, ImageReader, ImageSize, Interpolation, Labels, Parts, Resize,
    SourceDefinition, Surroundings,
};
use crate::{
    diagnostic::Result,
    random::{Purpose, Stream},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Shapes at random places, in random sizes and colours, on noise: as many images of any size as wanted, the same for
/// the same arguments. Each class is a shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"classes": 4, "image_size": 64, "train": 10000, "test": 1000}]))]
pub struct Synthetic {
    /// How many classes, of `circle`, `square`, `triangle`, `cross`, `ring`, `diamond`, `bar` and `frame`, in this order.
    #[schemars(range(min = 2, max = 8))]
    pub classes: usize,
    /// Height and width; one number stands for both.
    pub image_size: ImageSize,
    /// Channels of an example.
    pub color_mode: ColorMode,
    /// How many images for training.
    #[schemars(range(min = 1, max = 10000000))]
    pub train: usize,
    /// How many images for testing.
    #[schemars(range(min = 1, max = 10000000))]
    pub test: usize,
    /// Decides what is on them. It is not the pipeline's seed: other seeds see the same data.
    #[schemars(range(max = 9007199254740991u64))]
    pub seed: u64,
}

impl Default for Synthetic {
    fn default() -> Self {
        Synthetic {
            classes: SHAPES.len(),
            image_size: ImageSize::square(32),
            color_mode: ColorMode::Rgb,
            train: 8000,
            test: 2000,
            seed: 0,
        }
    }
}

/// Whether a point lies in a shape of size 1 around 0.
type Inside = fn(f64, f64) -> bool;

const SHAPES: [(&str, Inside); 8] = [
    ("circle", |x, y| x * x + y * y < 1.0),
    ("square", |x, y| x.abs().max(y.abs()) < 0.85),
    ("triangle", |x, y| y < 0.8 && y > 2.0 * x.abs() - 1.0),
    ("cross", |x, y| x.abs().min(y.abs()) < 0.3 && x.abs().max(y.abs()) < 1.0),
    ("ring", |x, y| (0.45..1.0).contains(&(x * x + y * y))),
    ("diamond", |x, y| x.abs() + y.abs() < 1.0),
    ("bar", |x, y| x.abs() < 1.0 && y.abs() < 0.3),
    ("frame", |x, y| (0.6..0.9).contains(&x.abs().max(y.abs()))),
];

impl Synthetic {
    fn images(&self) -> ImageReader {
        ImageReader::new(self.image_size, self.color_mode, Interpolation::Bilinear, Resize::Stretch)
    }

    fn shape(&self) -> [usize; 3] {
        self.images().shape
    }

    fn names(&self) -> Vec<String> {
        SHAPES[..self.classes].iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn split(&self, name: &str, examples: usize) -> Arc<dyn Examples> {
        Arc::new(Shapes {
            labels: (0..examples).map(|index| (index % self.classes) as u32).collect(),
            shape: self.shape(),
            purpose: Purpose::new(self.seed, &format!("synthetic/{name}")),
        })
    }
}

impl SourceDefinition for Synthetic {
    fn declare(&self) -> Declared {
        Declared {
            classes: Some(self.classes),
            names: Some(self.names()),
            train: Some(self.train),
            test: Some(self.test),
            ..Declared::of_images(self.shape())
        }
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, _: &Surroundings<'_>) -> Result<Dataset> {
        // The arguments say everything about the bytes.
        let mut digest = Parts::new("synthetic 1");
        digest.add(serde_json::to_string(self).unwrap_or_default().as_bytes());
        let splits = [self.split("train", self.train), self.split("test", self.test)];
        let location = "made on the fly".to_owned();
        Ok(Dataset::of_images(self.images(), self.names(), splits, location, digest.finish()))
    }

    fn look(&self, _: &Surroundings<'_>) -> Result<Declared> {
        Ok(self.declare())
    }
}

/// The examples of one split.
struct Shapes {
    labels: Vec<u32>,
    shape: [usize; 3],
    purpose: Purpose,
}

impl Examples for Shapes {
    fn labels(&self) -> Labels<'_> {
        Labels::Classes(&self.labels)
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        let (_, inside) = SHAPES[self.labels[index] as usize];
        draw(inside, self.shape, &mut self.purpose.stream(0, index as u32), into);
        Ok(())
    }

    fn is_sound(&self) -> bool {
        true
    }
}

/// Draws one image, `[height, width, channels]`.
fn draw(inside: Inside, [height, width, channels]: [usize; 3], stream: &mut Stream, into: &mut [u8]) {
    let mut between = |low: f64, high: f64| low + (high - low) * stream.unit();
    let side = height.min(width) as f64;
    let size = between(0.2, 0.4) * side;
    let (centre_y, centre_x) = (between(size, height as f64 - size), between(size, width as f64 - size));
    let (sine, cosine) = between(-0.3, 0.3).sin_cos();
    let ink: Vec<f64> = (0..channels).map(|_| between(60.0, 255.0)).collect();
    let ground: Vec<f64> = (0..channels).map(|_| between(0.0, 160.0)).collect();
    // Ink that is too near to the ground couldn't be seen.
    let near = ink.iter().zip(&ground).map(|(ink, ground)| (ink - ground).abs()).sum::<f64>() < 60.0 * channels as f64;
    let ink = if near { ground.iter().map(|ground| ground + 95.0).collect() } else { ink };
    for (at, pixel) in into.chunks_exact_mut(channels).enumerate() {
        let (y, x) = ((at / width) as f64 + 0.5 - centre_y, (at % width) as f64 + 0.5 - centre_x);
        let (y, x) = ((y * cosine - x * sine) / size, (x * cosine + y * sine) / size);
        let within = inside(x, y);
        let noise = f64::from(stream.bits() >> 26) - 32.0;
        for (channel, value) in pixel.iter_mut().enumerate() {
            let paint = if within { ink[channel] } else { ground[channel] };
            *value = (paint + noise).clamp(0.0, 255.0) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Form, tests::surrounded};

    fn opened(arguments: &str) -> Dataset {
        let source: Synthetic = serde_json::from_str(arguments).expect("arguments");
        surrounded(None, "cache".into(), |around| source.open(around).expect("shapes"))
    }

    fn example(dataset: &Dataset, index: usize) -> Vec<u8> {
        let mut values = vec![0; dataset.form.bytes()];
        dataset.train.read(index, &mut values).expect("an example");
        values
    }

    #[test]
    fn equal_arguments_give_equal_images_and_each_is_another() {
        let arguments = r#"{"classes": 3, "image_size": 16, "train": 30, "test": 9}"#;
        let (one, other) = (opened(arguments), opened(arguments));
        assert_eq!((one.form, one.classes.len(), &one.digest), (Form::Image([16, 16, 3]), 3, &other.digest));
        assert_eq!(one.class_counts(&*one.test), [3, 3, 3]);
        assert_eq!(example(&one, 7), example(&other, 7));
        assert_ne!(example(&one, 7), example(&one, 10));
        assert_ne!(example(&one, 7), example(&opened(&arguments.replace('}', r#", "seed": 1}"#)), 7));
    }

    #[test]
    fn a_shape_stands_out_from_its_ground() {
        let dataset = opened(r#"{"classes": 2, "color_mode": "grayscale", "train": 40}"#);
        for index in 0..40 {
            let values = example(&dataset, index);
            let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            assert!(most - least > 60, "{index}: {least} to {most}");
        }
    }
}
