//! How the accuracy falls when images get worse.

use super::{EvaluationStep, StepResult, Subject, gallery::by_chance, subject::most_probable};
use crate::{
    augment::{Image, color, gaussian_blur::blur, gaussian_noise},
    diagnostic::Result,
    picture::thumbnail,
    random::Purpose,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The accuracy on test images with noise, blurred, darker and lighter, or with less contrast, at given strengths; on a part of
/// the split that is the same for all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"gaussian_noise": [5, 10, 20], "gaussian_blur": [], "examples": 500}]))]
pub struct Robustness {
    /// Standard deviations of normal noise, in the values' own unit: 0 to 255.
    #[schemars(length(max = 20), inner(range(min = 0, max = 255)))]
    pub gaussian_noise: Vec<f64>,
    /// Standard deviations of a blur in pixels.
    #[schemars(length(max = 20), inner(range(min = 0, max = 16)))]
    pub gaussian_blur: Vec<f64>,
    /// What is added to all values, as a share of 255.
    #[schemars(length(max = 20), inner(range(min = -1, max = 1)))]
    pub brightness: Vec<f64>,
    /// What each channel's distance from its mean is multiplied by.
    #[schemars(length(max = 20), inner(range(min = 0, max = 10)))]
    pub contrast: Vec<f64>,
    /// How many test examples are tried, chosen by chance.
    #[schemars(range(min = 1, max = 1000000))]
    pub examples: usize,
}

impl Default for Robustness {
    fn default() -> Self {
        Robustness {
            gaussian_noise: vec![5.0, 10.0, 20.0, 40.0],
            gaussian_blur: vec![0.5, 1.0, 2.0],
            brightness: vec![-0.4, -0.2, 0.2, 0.4],
            contrast: vec![0.25, 0.5, 2.0],
            examples: 1000,
        }
    }
}

/// The accuracy under each change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many examples were tried.
    pub examples: usize,
    /// How many of them are predicted right as they are.
    pub right: usize,
    /// One of them as it is.
    pub png: Option<String>,
    /// The changes.
    pub changes: Vec<Change>,
}

/// One kind of change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The key that names it, such as `gaussian_noise`.
    pub kind: String,
    /// In the order in which the pipeline has them.
    pub strengths: Vec<Strength>,
}

/// One strength of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strength {
    /// The strength in the change's own unit.
    pub strength: f64,
    /// How many of the examples are predicted right.
    pub right: usize,
    /// The example that is shown, changed.
    pub png: Option<String>,
}

/// A change of the image that is the `usize`th of the split, at a strength.
type Changing = fn(Image, f64, usize) -> Image;

fn with_noise(mut image: Image, stddev: f64, index: usize) -> Image {
    gaussian_noise::add(&mut image, stddev, &mut Purpose::new(0, "robustness").stream(stddev.to_bits(), index as u32));
    image
}

fn blurred(image: Image, sigma: f64, _: usize) -> Image {
    // Beyond three deviations nothing is seen; a mirror has no more pixels than the image.
    let [height, width, _] = image.shape;
    let radius = ((3.0 * sigma).ceil() as usize).min(height.min(width).saturating_sub(1));
    if sigma == 0.0 { image } else { blur(image, 2 * radius + 1, sigma) }
}

fn brighter(mut image: Image, share: f64, _: usize) -> Image {
    color::add(&mut image, 255.0 * share);
    image
}

fn contrasted(mut image: Image, factor: f64, _: usize) -> Image {
    color::contrast(&mut image, factor);
    image
}

impl Robustness {
    fn kinds(&self) -> [(&'static str, &[f64], Changing); 4] {
        [
            ("gaussian_noise", &self.gaussian_noise, with_noise),
            ("gaussian_blur", &self.gaussian_blur, blurred),
            ("brightness", &self.brightness, brighter),
            ("contrast", &self.contrast, contrasted),
        ]
    }
}

/// How many of `chosen` are predicted right once `change` changed them.
fn right(
    subject: &dyn Subject,
    chosen: &[usize],
    change: impl Fn(Vec<u8>, usize) -> Vec<u8>,
) -> Result<usize> {
    let predictions = subject.predictions();
    let classes = predictions.classes.len().max(1);
    let mut right = 0;
    for part in chosen.chunks(subject.batch_size().max(1)) {
        let mut examples = Vec::new();
        for &index in part {
            examples.extend(change(subject.example(index)?, index));
        }
        let probabilities = subject.probabilities(&examples)?;
        for (&index, row) in part.iter().zip(probabilities.chunks(classes)) {
            right += usize::from(most_probable(row) == predictions.labels[index] as usize);
        }
    }
    Ok(right)
}

impl EvaluationStep for Robustness {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let chosen = by_chance(subject.examples(), self.examples, "robustness");
        let shape: [usize; 3] = subject.shape().try_into().unwrap_or_default();
        let changed = |change: Changing, strength: f64| {
            move |pixels, index| change(Image { shape, pixels }, strength, index).pixels
        };
        let picture = |change: &dyn Fn(Vec<u8>, usize) -> Vec<u8>| -> Result<Option<String>> {
            let Some(&first) = chosen.first() else { return Ok(None) };
            Ok(thumbnail(&change(subject.example(first)?, first), shape))
        };
        let mut changes = Vec::new();
        for (kind, strengths, change) in self.kinds() {
            let mut tried = Vec::new();
            for &strength in strengths {
                let change = changed(change, strength);
                tried.push(Strength { strength, right: right(subject, &chosen, change)?, png: picture(&change)? });
            }
            changes.push(Change { kind: kind.to_owned(), strengths: tried });
        }
        changes.retain(|change| !change.strengths.is_empty());
        let same = |pixels: Vec<u8>, _: usize| pixels;
        let (examples, right) = (chosen.len(), right(subject, &chosen, same)?);
        Ok(Outcome { examples, right, png: picture(&same)?, changes }.into())
    }

    fn needs_images(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn each_strength_is_tried_on_the_same_examples() {
        // The trial's model takes bright images for owls.
        let trial = Trial::new(&[(0, [1.0, 0.0, 0.0]), (0, [1.0, 0.0, 0.0]), (2, [0.0, 0.0, 1.0])]);
        let step = Robustness {
            gaussian_noise: vec![],
            gaussian_blur: vec![0.0],
            brightness: vec![0.8],
            contrast: vec![],
            examples: 9,
        };
        let StepResult::Robustness(outcome) = step.compute(&trial).unwrap() else { panic!() };
        assert_eq!((outcome.examples, outcome.right), (3, 2));
        let told: Vec<_> =
            outcome.changes.iter().map(|change| (change.kind.as_str(), change.strengths[0].right)).collect();
        assert_eq!(told, [("gaussian_blur", 2), ("brightness", 1)]);
        assert_eq!(step.compute(&trial).unwrap(), StepResult::Robustness(outcome));
    }

    #[test]
    fn noise_is_the_same_each_time_and_another_for_each_image() {
        let image = || Image::filled([4, 4, 1], 128);
        assert_eq!(with_noise(image(), 20.0, 1), with_noise(image(), 20.0, 1));
        assert_ne!(with_noise(image(), 20.0, 1), with_noise(image(), 20.0, 2));
        assert_eq!(with_noise(image(), 0.0, 1), image());
    }

    #[test]
    fn a_wide_blur_fits_a_small_image() {
        let image = Image { shape: [2, 2, 1], pixels: vec![0, 200, 200, 0] };
        assert_eq!(blurred(image, 16.0, 0).shape, [2, 2, 1]);
    }
}
