//! What leaves the layers for single images.

use super::{
    EvaluationStep, Known, LayerShape, Misfit, Shown, StepResult, Subject,
    gallery::{by_chance, shown},
};
use crate::{
    diagnostic::Result,
    picture::{png, sheet, stretched},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The channels that leave layers, as pictures, for single test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"layers": ["conv2d", "conv2d_1"], "images": [0, 7], "channels": 32}]))]
pub struct FeatureMaps {
    /// Names of layers as the layer table has them, such as `conv2d_1`; the first and the last layer with weights whose output
    /// is an image where none are named.
    #[schemars(length(max = 32))]
    pub layers: Vec<String>,
    /// Numbers of test examples, from 0; two by chance where none are named.
    #[schemars(length(max = 16), extend("examples" = [[0, 7]]))]
    pub images: Vec<usize>,
    /// How many channels at most, the first ones.
    #[schemars(range(min = 1, max = 256))]
    pub channels: usize,
}

impl Default for FeatureMaps {
    fn default() -> Self {
        FeatureMaps { layers: Vec::new(), images: Vec::new(), channels: 16 }
    }
}

/// Pictures in a row.
const COLUMNS: usize = 8;
/// Images where none are named.
const IMAGES: usize = 2;
/// Larger maps are shown by every second, third, ... of their values.
const LONGEST: usize = 64;

/// The maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// By image.
    pub images: Vec<OfImage>,
}

/// The maps of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfImage {
    /// The image.
    pub example: Shown,
    /// By layer.
    pub layers: Vec<OfLayer>,
}

/// What leaves one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfLayer {
    /// The layer.
    pub layer: String,
    /// `[height, width, channels]`
    pub shape: Vec<usize>,
    /// Channels shown.
    pub channels: usize,
    /// Channels that are the same everywhere, among those shown.
    pub flat: usize,
    /// All in one PNG, 8 in a row, in base 64; each channel from its smallest value, black, to its largest.
    pub png: Option<String>,
}

/// The test examples that are asked for, or so many by chance.
pub(super) fn chosen(subject: &dyn Subject, asked: &[usize], otherwise: usize, purpose: &str) -> Vec<usize> {
    let predictions = subject.predictions();
    if asked.is_empty() {
        return by_chance(predictions.len(), otherwise, purpose);
    }
    asked.iter().copied().filter(|&index| index < predictions.len()).collect()
}

/// Layers with weights that give images.
pub(super) fn convolutional(layers: &[LayerShape]) -> Vec<&LayerShape> {
    layers.iter().filter(|layer| layer.has_weights && layer.shape.len() == 3).collect()
}

impl FeatureMaps {
    fn of_layer(&self, subject: &dyn Subject, image: &[u8], layer: &str) -> Result<Option<OfLayer>> {
        let activations = subject.activations(image, layer)?;
        let [height, width, channels] = activations.shape[..] else { return Ok(None) };
        let step = height.max(width).div_ceil(LONGEST).max(1);
        let (tall, wide) = (height.div_ceil(step), width.div_ceil(step));
        let maps: Vec<Vec<f32>> = activations
            .values
            .chunks(height * width)
            .take(channels.min(self.channels))
            .map(|map| {
                let rows = map.chunks(width).step_by(step);
                rows.flat_map(|row| row.iter().copied().step_by(step)).collect()
            })
            .collect();
        let flat = maps.iter().filter(|map| map.iter().all(|value| *value == map[0])).count();
        let pictures: Vec<Vec<u8>> = maps.iter().map(|map| stretched(map)).collect();
        let (values, shape) = sheet(&pictures, [tall, wide, 1], COLUMNS);
        Ok(Some(OfLayer {
            layer: layer.to_owned(),
            shape: activations.shape.clone(),
            channels: maps.len(),
            flat,
            png: png(&values, shape),
        }))
    }
}

impl EvaluationStep for FeatureMaps {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let known = convolutional(subject.layers());
        let mut layers: Vec<&str> = self.layers.iter().map(String::as_str).collect();
        if layers.is_empty() {
            layers.extend(known.first().into_iter().chain(known.last().filter(|_| known.len() > 1)).map(|l| &*l.name));
        }
        let mut images = Vec::new();
        for index in chosen(subject, &self.images, IMAGES, "feature maps") {
            let image = subject.example(index)?;
            let mut maps = Vec::new();
            for layer in &layers {
                maps.extend(self.of_layer(subject, &image, layer)?);
            }
            images.push(OfImage { example: shown(subject, index, 1)?, layers: maps });
        }
        Ok(Outcome { images }.into())
    }

    fn needs_images(&self) -> bool {
        true
    }

    fn misfits(&self, known: &Known<'_>) -> Vec<Misfit> {
        let layers = self.layers.iter().enumerate();
        let layers = layers.filter_map(|(at, name)| known.image_layer("layers", Some(at), name));
        let images = self.images.iter().enumerate().filter_map(|(at, &number)| known.example("images", at, number));
        layers.chain(images).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn maps_of_layers_that_give_images() {
        let trial = Trial::new(&[(0, [1.0, 0.0, 0.0]); 3]);
        let StepResult::FeatureMaps(outcome) = FeatureMaps::default().compute(&trial).unwrap() else { panic!() };
        assert_eq!(outcome.images.len(), 2);
        let maps = &outcome.images[1].layers[0];
        assert_eq!((maps.layer.as_str(), maps.channels, maps.flat), ("conv2d", 3, 0));
    }

    #[test]
    fn layers_and_examples_must_be_there() {
        let trial = Trial::new(&[(0, [1.0, 0.0, 0.0]); 3]);
        let known = Known { layers: Some(trial.layers()), examples: Some(3), images: true, ..Known::default() };
        let layers = ["conv2d", "flatten", "cnv2d"].map(String::from).to_vec();
        let step = FeatureMaps { layers, images: vec![2, 3], ..FeatureMaps::default() };
        let told: Vec<_> = step.misfits(&known).into_iter().map(|misfit| (misfit.index, misfit.message)).collect();
        let expected = [
            (Some(1), "what leaves `flatten` is no image"),
            (Some(2), "no layer is called `cnv2d`"),
            (Some(1), "there is no test example 3"),
        ];
        assert_eq!(told, expected.map(|(index, message)| (index, message.to_owned())));
        assert_eq!(step.misfits(&Known::default()), []);
    }
}
