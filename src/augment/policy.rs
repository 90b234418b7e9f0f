//! The operations that RandAugment, TrivialAugment and AutoAugment choose from, as torchvision v2 defines them.
//!
//! An operation has a strength, read off a scale of equal steps. What moves pixels takes the nearest one, and leaves black
//! where there is none.

use super::{
    Draw, FillMode, Image, Interpolation,
    affine::{Border, affine, rotate, translate},
    color,
};

/// What can be done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

use Operation::{
    AutoContrast, Brightness, Color, Contrast, Equalize, Identity, Invert, Posterize, Rotate, Sharpness, ShearX,
    ShearY, Solarize, TranslateX, TranslateY,
};

/// What RandAugment and TrivialAugment choose from.
pub const COMMON: [Operation; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

/// How strong the strongest step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// AutoAugment's, which RandAugment shares.
    Common,
    /// TrivialAugment's.
    Wide,
}

impl Scale {
    /// The strength of `operation` at step `bin` of `bins`, on an image of this size.
    pub fn strength(self, operation: Operation, bin: usize, bins: usize, [height, width]: [usize; 2]) -> f64 {
        let share = bin as f64 / (bins - 1) as f64;
        let wide = self == Scale::Wide;
        let choose = |common: f64, of_wide: f64| if wide { of_wide } else { common };
        match operation {
            ShearX | ShearY => share * choose(0.3, 0.99),
            TranslateX => share * choose(150.0 / 331.0 * width as f64, 32.0),
            TranslateY => share * choose(150.0 / 331.0 * height as f64, 32.0),
            Rotate => share * choose(30.0, 135.0),
            Brightness | Color | Contrast | Sharpness => share * choose(0.9, 0.99),
            Posterize => (8.0 - share * choose(4.0, 6.0)).round_ties_even(),
            Solarize => 1.0 - share,
            Identity | AutoContrast | Equalize | Invert => 0.0,
        }
    }
}

impl Operation {
    /// Whether it goes both ways.
    pub fn is_signed(self) -> bool {
        !matches!(self, Identity | Posterize | Solarize | AutoContrast | Equalize | Invert)
    }
}

/// Performs `operation` at step `bin` of `bins`, in a random direction.
pub fn perform_randomly(
    image: Image,
    operation: Operation,
    scale: Scale,
    [bin, bins]: [usize; 2],
    draw: &mut Draw,
) -> Image {
    let strength = scale.strength(operation, bin, bins, [image.shape[0], image.shape[1]]);
    let sign = if operation.is_signed() { draw.sign() } else { 1.0 };
    perform(image, operation, sign * strength)
}

/// Performs `operation` with this strength.
pub fn perform(mut image: Image, operation: Operation, strength: f64) -> Image {
    const BLACK: Border = (FillMode::Constant, 0);
    const NEAREST: Interpolation = Interpolation::Nearest;
    let slant = strength as f32;
    match operation {
        Identity => {}
        // From the corner of the first pixel, not from its middle.
        ShearX => return affine(&image, [1.0, slant, slant / 2.0, 0.0, 1.0, 0.0], BLACK, NEAREST),
        ShearY => return affine(&image, [1.0, 0.0, 0.0, slant, 1.0, slant / 2.0], BLACK, NEAREST),
        TranslateX => return translate(&image, strength.trunc(), 0.0, BLACK, NEAREST),
        TranslateY => return translate(&image, 0.0, strength.trunc(), BLACK, NEAREST),
        Rotate => return rotate(&image, strength / 360.0, BLACK, NEAREST),
        Brightness => color::adjust_brightness(&mut image, 1.0 + strength),
        Color => color::adjust_saturation(&mut image, 1.0 + strength),
        Contrast => color::adjust_contrast(&mut image, 1.0 + strength),
        Sharpness => color::adjust_sharpness(&mut image, 1.0 + strength),
        Posterize => color::posterize(&mut image, strength as u32),
        Solarize => color::solarize(&mut image, 255.0 * strength),
        AutoContrast => color::auto_contrast(&mut image),
        Equalize => color::equalize(&mut image),
        Invert => color::invert(&mut image),
    }
    image
}
