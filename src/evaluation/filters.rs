//! What the first convolution looks for.

use super::{EvaluationStep, StepResult, Subject};
use crate::{
    diagnostic::Result,
    picture::{png, sheet, stretched},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kernels of the first convolution as pictures: edges and colours where training went well, noise where it didn't.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "count", "examples" = [{}, {"count": 16}]))]
pub struct Filters {
    /// How many at most, the first ones.
    #[schemars(range(min = 1, max = 512))]
    pub count: usize,
}

impl Default for Filters {
    fn default() -> Self {
        Filters { count: 64 }
    }
}

/// Pictures in a row.
const COLUMNS: usize = 8;

/// The kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The layer; nothing where the model has no convolution.
    pub layer: Option<String>,
    /// `[filters, channels, height, width]`
    pub shape: Vec<usize>,
    /// The kernels shown.
    pub shown: usize,
    /// The smallest weight of those shown, and the largest.
    pub range: [f32; 2],
    /// All in one PNG, 8 in a row, in base 64: the weights of three channels as red, green and blue, of others their mean; each
    /// kernel from its smallest weight, black, to its largest.
    pub png: Option<String>,
}

impl EvaluationStep for Filters {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let Some(kernels) = subject.first_kernels()? else {
            return Ok(Outcome { layer: None, shape: vec![], shown: 0, range: [0.0; 2], png: None }.into());
        };
        let [filters, channels, height, width] = kernels.shape;
        let shown = filters.min(self.count);
        let weights = &kernels.values[..shown * channels * height * width];
        let colours = if channels == 3 { 3 } else { 1 };
        let picture = |kernel: &[f32]| {
            let at = |channel: usize, pixel: usize| kernel[channel * height * width + pixel];
            let pixels = (0..height * width).flat_map(|pixel| match colours {
                3 => vec![at(0, pixel), at(1, pixel), at(2, pixel)],
                _ => vec![(0..channels).map(|channel| at(channel, pixel)).sum::<f32>() / channels as f32],
            });
            stretched(&pixels.collect::<Vec<_>>())
        };
        let pictures: Vec<Vec<u8>> = weights.chunks(channels * height * width).map(picture).collect();
        let (values, shape) = sheet(&pictures, [height, width, colours], COLUMNS);
        let range = weights.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &w| [low.min(w), high.max(w)]);
        Ok(Outcome {
            layer: Some(kernels.layer),
            shape: kernels.shape.to_vec(),
            shown,
            range,
            png: png(&values, shape),
        }
        .into())
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
    fn the_first_kernels_are_shown() {
        let StepResult::Filters(outcome) = (Filters { count: 2 }).compute(&Trial::new(&[])).unwrap() else { panic!() };
        assert_eq!((outcome.shown, outcome.range, outcome.shape), (2, [0.0, 7.0], vec![3, 1, 2, 2]));
        assert!(outcome.png.is_some());
    }
}
