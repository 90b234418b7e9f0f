//! Which pixels a prediction hangs on.

use super::{
    EvaluationStep, Known, Misfit, Shown, StepResult, Subject,
    feature_maps::{chosen, convolutional},
    gallery::{shown, surest_mistakes},
};
use crate::{
    diagnostic::Result,
    picture::{png, stretched},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pixels the prediction hangs on: the gradient of the predicted class's output with regard to the image (Simonyan et al.
/// 2014), and Grad-CAM of a convolution (Selvaraju et al. 2017). Neither is a proof of what the model looks at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["grad_cam", "GradCAM", "heatmap", "saliency_map"], "examples" = [{}, {"images": [0, 7], "layer": "conv2d_1"}]))]
pub struct Saliency {
    /// Numbers of test examples, from 0; four by chance and the four surest mistakes where none are named.
    #[schemars(length(max = 64), extend("examples" = [[0, 7]]))]
    pub images: Vec<usize>,
    /// The layer of Grad-CAM, as the layer table names it; the last one with weights whose output is an image where none is
    /// named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-default" = "the last convolution", "examples" = ["conv2d_2"]))]
    pub layer: Option<String>,
}

/// Images of each kind where none are named.
const IMAGES: usize = 4;

/// The maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The layer of Grad-CAM; nothing where no layer's output is an image.
    pub layer: Option<String>,
    /// By image.
    pub images: Vec<OfImage>,
}

/// The maps of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfImage {
    /// The image.
    pub example: Shown,
    /// The largest size of the gradient among a pixel's channels, from black to white; PNG in base 64.
    pub gradient: Option<String>,
    /// The image, darker where Grad-CAM is low; PNG in base 64.
    pub grad_cam: Option<String>,
}

/// How much of an image remains where Grad-CAM is 0.
const REMAINS: f32 = 0.15;

fn gradient_picture(gradient: &[f32], [height, width, channels]: [usize; 3]) -> Option<String> {
    let sizes: Vec<f32> =
        gradient.chunks(channels).map(|pixel| pixel.iter().fold(0.0f32, |most, g| most.max(g.abs()))).collect();
    // A few pixels outshine all others: white from the 99th percentile on.
    let mut sorted = sizes.clone();
    sorted.sort_by(f32::total_cmp);
    let most = sorted.get((sorted.len() * 99 / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(1.0);
    let clipped: Vec<f32> = sizes.iter().map(|size| size.min(most)).collect();
    png(&stretched(&clipped), [height, width, 1])
}

fn grad_cam_picture(image: &[u8], activation: &[f32], shape: [usize; 3]) -> Option<String> {
    let most = activation.iter().copied().fold(0.0f32, f32::max);
    let share = |pixel: usize| if most > 0.0 { (activation[pixel] / most).clamp(0.0, 1.0) } else { 0.0 };
    let pixels = image.chunks(shape[2]).enumerate().flat_map(|(pixel, values)| {
        let remains = REMAINS + (1.0 - REMAINS) * share(pixel);
        values.iter().map(move |&value| (f32::from(value) * remains).round() as u8)
    });
    png(&pixels.collect::<Vec<u8>>(), shape)
}

impl EvaluationStep for Saliency {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let predictions = subject.predictions();
        let shape: [usize; 3] = subject.shape().try_into().unwrap_or_default();
        let layers = convolutional(subject.layers());
        let layer = self.layer.clone().or_else(|| layers.last().map(|layer| layer.name.clone()));
        let mut indices = chosen(subject, &self.images, IMAGES, "saliency");
        if self.images.is_empty() {
            let mistakes = surest_mistakes(predictions).into_iter();
            let more: Vec<usize> = mistakes.filter(|index| !indices.contains(index)).take(IMAGES).collect();
            indices.extend(more);
        }
        let mut images = Vec::new();
        for index in indices {
            let (image, class) = (subject.example(index)?, predictions.predicted[index]);
            let grad_cam = match &layer {
                Some(layer) => grad_cam_picture(&image, &subject.class_activation(&image, class, layer)?, shape),
                None => None,
            };
            let gradient = gradient_picture(&subject.gradient(&image, class)?, shape);
            images.push(OfImage { example: shown(subject, index, 1)?, gradient, grad_cam });
        }
        Ok(Outcome { layer, images }.into())
    }

    fn needs_images(&self) -> bool {
        true
    }

    fn misfits(&self, known: &Known<'_>) -> Vec<Misfit> {
        let layer = self.layer.iter().filter_map(|name| known.image_layer("layer", None, name));
        let images = self.images.iter().enumerate().filter_map(|(at, &number)| known.example("images", at, number));
        layer.chain(images).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn mistakes_are_among_the_images() {
        let mut examples = vec![(0, [1.0, 0.0, 0.0]); 9];
        examples[7] = (1, [0.9, 0.1, 0.0]);
        let StepResult::Saliency(outcome) = Saliency::default().compute(&Trial::new(&examples)).unwrap() else {
            panic!()
        };
        assert_eq!(outcome.layer.as_deref(), Some("conv2d"));
        assert!(outcome.images.iter().any(|image| image.example.index == 7));
        assert!(outcome.images.iter().all(|image| image.gradient.is_some() && image.grad_cam.is_some()));
    }
}
