//! Changes to training images, one at a time: what stays the same for a class is shown in many ways.
//!
//! An augmentation works on the bytes of one image and draws from numbers that belong to it, the epoch and the example
//! alone. Names, units and defaults are Keras' where Keras has the layer, else torchvision's; what differs says so. Each
//! member's arithmetic is a function of fixed parameters beside it or in [`affine`], [`color`] and [`policy`].

pub mod affine;
pub mod arguments;
pub mod color;
pub mod policy;

pub use arguments::{FillMode, Interpolation, Span};

use crate::{
    family,
    random::{Purpose, Stream},
};

/// An image in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Height, width and channels; one channel or three.
    pub shape: [usize; 3],
    /// Its values, `[height, width, channels]`.
    pub pixels: Vec<u8>,
}

impl Image {
    /// An image of one value.
    pub fn filled(shape: [usize; 3], value: u8) -> Self {
        Image { shape, pixels: vec![value; shape.iter().product()] }
    }
}

/// The random numbers of one augmentation for one example.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Other numbers in each epoch.
    pub stream: Stream,
    /// The same numbers in each epoch.
    pub lasting: Stream,
    /// The epoch, from 0, or a later number where the example comes again in the same epoch.
    pub pass: u64,
}

impl Draw {
    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.stream.unit() < probability
    }

    /// Uniform between the two.
    pub fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.stream.unit()
    }

    /// -1 or 1.
    pub fn sign(&mut self) -> f64 {
        if self.chance(0.5) { -1.0 } else { 1.0 }
    }

    /// Uniform in `0..=highest`.
    pub fn index(&mut self, highest: usize) -> usize {
        self.stream.below(highest as u32 + 1) as usize
    }
}

/// Where the numbers of an augmentation come from, for all examples and epochs.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    changing: Purpose,
    lasting: Purpose,
}

impl Draws {
    /// Those of the augmentation at `index` in the list of the stage at `path`.
    pub fn new(seed: u64, path: &str, index: usize) -> Self {
        Draws {
            changing: Purpose::new(seed, &format!("augment/{path}/{index}")),
            lasting: Purpose::new(seed, &format!("augment/{path}/{index}/every epoch")),
        }
    }

    /// Those of one example in one epoch, the `turn`-th time (from 0) that it comes there.
    pub fn of(&self, epoch: u64, turn: u32, example: u32) -> Draw {
        let occasion = u64::from(turn) << 32 | epoch;
        Draw {
            stream: self.changing.stream(occasion, example),
            lasting: self.lasting.stream(0, example),
            pass: epoch + u64::from(turn),
        }
    }
}

/// What all augmentations share.
pub trait AugmentationDefinition {
    /// The image, changed.
    fn apply(&self, image: Image, draw: &mut Draw) -> Image;

    /// Height and width of what comes out for an image of this height and width.
    ///
    /// # Errors
    /// Why there is none.
    fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2], String> {
        Ok(size)
    }

    /// Whether it leaves grey images as they are.
    fn needs_color(&self) -> bool {
        false
    }
}

family! {
    /// A random change of training images.
    pub enum Augmentation("augmentation"): AugmentationDefinition {
        random_flip::RandomFlip,
        random_rotation::RandomRotation,
        random_translation::RandomTranslation,
        random_zoom::RandomZoom,
        random_shear::RandomShear,
        random_crop::RandomCrop,
        random_resized_crop::RandomResizedCrop,
        random_brightness::RandomBrightness,
        random_contrast::RandomContrast,
        random_saturation::RandomSaturation,
        random_hue::RandomHue,
        random_grayscale::RandomGrayscale,
        gaussian_noise::GaussianNoise,
        gaussian_blur::GaussianBlur,
        random_erasing::RandomErasing,
        posterize::Posterize,
        solarize::Solarize,
        equalize::Equalize,
        auto_contrast::AutoContrast,
        sharpness::Sharpness,
        invert::Invert,
        rand_augment::RandAugment,
        trivial_augment::TrivialAugment,
        auto_augment::AutoAugment,
        alternating_flip::AlternatingFlip,
    }
}
