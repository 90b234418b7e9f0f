//! A made-up run for tests of the steps: small images, given predictions, a model of two layers.

use super::{Activations, Curve, Estimates, Kernels, LayerShape, Predictions, Split, Subject, subject::most_probable};
use crate::{diagnostic::Result, task::Task};

/// Images of 2 by 2 gray pixels, each as bright as its number.
pub struct Trial {
    pub predictions: Predictions,
    /// Beside the classes; the trial is one of these unless it is told otherwise.
    pub estimates: Estimates,
    pub task: Task,
    pub images: Vec<[u8; 4]>,
    pub shape: Vec<usize>,
    pub layers: Vec<LayerShape>,
    pub splits: Vec<Split>,
    pub history: Vec<(usize, Vec<(String, f64)>)>,
    pub columns: Vec<(String, Vec<Option<String>>)>,
}

impl Trial {
    /// Examples of three classes, each with its label and its probabilities.
    pub fn new(examples: &[(u32, [f32; 3])]) -> Self {
        let best = |p: &[f32; 3]| most_probable(p) as u32;
        let layer = |name: &str, shape: &[usize], has_weights| LayerShape {
            name: name.to_owned(),
            shape: shape.to_vec(),
            has_weights,
        };
        Trial {
            predictions: Predictions {
                classes: ["cat", "dog", "owl"].map(String::from).to_vec(),
                labels: examples.iter().map(|(label, _)| *label).collect(),
                predicted: examples.iter().map(|(_, p)| best(p)).collect(),
                probabilities: examples.iter().flat_map(|(_, p)| *p).collect(),
            },
            estimates: Estimates {
                targets: (0..examples.len()).map(|index| index as f32).collect(),
                predicted: (0..examples.len()).map(|index| index as f32 * 1.25 - 0.5).collect(),
            },
            task: Task::Classification,
            images: (0..examples.len()).map(|index| [(index * 20).min(255) as u8; 4]).collect(),
            shape: vec![2, 2, 1],
            layers: vec![layer("conv2d", &[2, 2, 3], true), layer("flatten", &[12], false), layer("dense", &[3], true)],
            splits: vec![Split { name: "train".into(), per_class: vec![6, 3, 3] }],
            history: Vec::new(),
            columns: Vec::new(),
        }
    }
}

impl Subject for Trial {
    fn task(&self) -> Task {
        self.task
    }

    fn predictions(&self) -> &Predictions {
        &self.predictions
    }

    fn estimates(&self) -> &Estimates {
        &self.estimates
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn example(&self, index: usize) -> Result<Vec<u8>> {
        Ok(self.images[index].to_vec())
    }

    fn go_on(&self) -> Result<()> {
        Ok(())
    }

    fn describe(&self, index: usize) -> String {
        format!("{index}.png")
    }

    fn stored_size(&self, index: usize) -> Option<[usize; 2]> {
        Some([index + 1, 2])
    }

    fn features(&self) -> &[String] {
        &[]
    }

    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>> {
        Ok(self.columns.iter().find(|(column, _)| column == name).map(|(_, values)| values.clone()))
    }

    fn history(&self) -> Vec<Curve<'_>> {
        self.history.iter().map(|(epoch, figures)| Curve { epoch: *epoch, figures }).collect()
    }

    fn best_epoch(&self) -> Option<usize> {
        None
    }

    fn splits(&self) -> &[Split] {
        &self.splits
    }

    fn batch_size(&self) -> usize {
        2
    }

    /// The brighter an image, the more it is an owl.
    fn probabilities(&self, examples: &[u8]) -> Result<Vec<f32>> {
        let owl = |image: &[u8]| image.iter().map(|&value| f32::from(value)).sum::<f32>() / 4.0 / 255.0;
        Ok(examples.chunks(4).flat_map(|image| [0.6 - 0.6 * owl(image), 0.4 - 0.4 * owl(image), owl(image)]).collect())
    }

    fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    fn activations(&self, examples: &[u8], layer: &str) -> Result<Activations> {
        let shape = self.layers.iter().find(|known| known.name == layer).expect("a known layer").shape.clone();
        let size: usize = shape.iter().product();
        let values = examples.chunks(4).flat_map(|image| (0..size).map(move |i| f32::from(image[0]) * (i + 1) as f32));
        Ok(Activations { values: values.collect(), shape })
    }

    fn first_kernels(&self) -> Result<Option<Kernels>> {
        let values = (0..12u8).map(f32::from).collect();
        Ok(Some(Kernels { layer: "conv2d".into(), shape: [3, 1, 2, 2], values }))
    }

    fn gradient(&self, image: &[u8], class: u32) -> Result<Vec<f32>> {
        Ok(image.iter().zip(1u8..).map(|(_, place)| f32::from(place) - class as f32).collect())
    }

    fn class_activation(&self, _: &[u8], _: u32, _: &str) -> Result<Vec<f32>> {
        Ok(vec![0.0, 1.0, 2.0, 4.0])
    }
}
