//! The accuracy where several views of an image decide together.
//!
//! The probabilities of the views are averaged. It costs as many passes as there are views, and it is no property of the model
//! alone: so it stands beside the accuracy, never in its place.

use super::{
    EvaluationStep, FigureName, StepResult, Subject, figures,
    significance::{mcnemar, only_one_right},
    statistics::wilson,
    subject::most_probable,
};
use crate::{
    augment::{Image, random_flip::flip_horizontally},
    diagnostic::Result,
    task::Task,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The accuracy where the probabilities of an image, its mirror image, and both of them shifted are averaged, beside that of the
/// images alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["tta", "flip_averaging"], "examples" = [{}, {"shift": 1}]))]
pub struct TestTimeAugmentation {
    /// Whether mirror images are views, too. Not where left and right mean something, as in digits.
    pub flip: bool,
    /// By how many pixels images are shifted, up and to the left as well as down and to the right; the pixels at the edge are repeated. 0
    /// for not at all.
    #[schemars(range(min = 0, max = 64))]
    pub shift: usize,
}

impl Default for TestTimeAugmentation {
    fn default() -> Self {
        TestTimeAugmentation { flip: true, shift: 0 }
    }
}

/// The accuracies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many views of an image there were, itself included.
    pub views: usize,
    /// How many examples there are.
    pub examples: usize,
    /// How many are right by themselves.
    pub right: usize,
    /// How many are right by the average of their views.
    pub averaged_right: usize,
    /// The share of these.
    pub accuracy: f64,
    /// Wilson's 95% interval of it.
    pub interval: (f64, f64),
    /// How probable so large a difference between the two would be if there were none: McNemar's exact test.
    pub p_value: f64,
}

impl Outcome {
    pub(super) fn named_figures(&self) -> Vec<(String, f64)> {
        figures::named([("averaged_accuracy", Some(self.accuracy))])
    }

    pub(super) fn named_intervals(&self) -> Vec<(String, (f64, f64))> {
        vec![("test_averaged_accuracy".to_owned(), self.interval)]
    }
}

/// The image moved by so many pixels.
fn shifted(image: &Image, down: isize, right: isize) -> Image {
    let [height, width, channels] = image.shape;
    let mut pixels = Vec::with_capacity(image.pixels.len());
    let from = |at: usize, by: isize, length: usize| at.saturating_add_signed(-by).min(length - 1);
    for row in 0..height {
        for column in 0..width {
            let place = (from(row, down, height) * width + from(column, right, width)) * channels;
            pixels.extend_from_slice(&image.pixels[place..place + channels]);
        }
    }
    Image { shape: image.shape, pixels }
}

impl TestTimeAugmentation {
    /// All views, the image itself first.
    fn views(&self, image: Image) -> Vec<Image> {
        let mut views = vec![image];
        if self.shift > 0 {
            let by = self.shift as isize;
            views.extend([shifted(&views[0], -by, -by), shifted(&views[0], by, by)]);
        }
        if self.flip {
            let mut mirrored = views.clone();
            mirrored.iter_mut().for_each(flip_horizontally);
            views.extend(mirrored);
        }
        views
    }
}

impl EvaluationStep for TestTimeAugmentation {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let predictions = subject.predictions();
        let shape: [usize; 3] = subject.shape().try_into().unwrap_or_default();
        let classes = predictions.classes.len().max(1);
        let all: Vec<usize> = (0..predictions.len()).collect();
        let mut averaged = Vec::with_capacity(all.len());
        for part in all.chunks(subject.batch_size().max(1)) {
            let mut views = Vec::new();
            for &index in part {
                views.push(self.views(Image { shape, pixels: subject.example(index)? }));
            }
            let mut sums = vec![0.0f64; part.len() * classes];
            // What the model says of the images themselves is known.
            for (sums, &index) in sums.chunks_mut(classes).zip(part) {
                sums.iter_mut().zip(predictions.of(index)).for_each(|(sum, probability)| *sum = f64::from(*probability));
            }
            for view in 1..views.first().map_or(0, Vec::len) {
                let examples: Vec<u8> = views.iter().flat_map(|views| views[view].pixels.iter().copied()).collect();
                let probabilities = subject.probabilities(&examples)?;
                sums.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += f64::from(probability));
            }
            averaged.extend(sums.chunks(classes).map(|row| most_probable(row) as u32));
        }
        let right = |predicted: &[u32]| predicted.iter().zip(&predictions.labels).filter(|(a, b)| a == b).count();
        let (only_alone, only_averaged) = only_one_right(&predictions.labels, &predictions.predicted, &averaged);
        let averaged_right = right(&averaged);
        let accuracy = averaged_right as f64 / all.len().max(1) as f64;
        let outcome = Outcome {
            views: self.views(Image::filled([1, 1, 1], 0)).len(),
            examples: all.len(),
            right: right(&predictions.predicted),
            averaged_right,
            accuracy,
            interval: wilson(accuracy, all.len()),
            p_value: mcnemar(only_alone, only_averaged),
        };
        Ok(outcome.into())
    }

    fn needs_images(&self) -> bool {
        true
    }

    fn figures(&self, _: Task) -> Vec<FigureName> {
        vec![FigureName::share("averaged_accuracy")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn the_views_are_the_image_and_what_is_made_of_it() {
        let image = || Image { shape: [2, 3, 1], pixels: vec![1, 2, 3, 4, 5, 6] };
        let pixels = |step: TestTimeAugmentation| -> Vec<Vec<u8>> {
            step.views(image()).into_iter().map(|view| view.pixels).collect()
        };
        assert_eq!(pixels(TestTimeAugmentation { flip: false, shift: 0 }), [vec![1, 2, 3, 4, 5, 6]]);
        assert_eq!(pixels(TestTimeAugmentation::default()), [vec![1, 2, 3, 4, 5, 6], vec![3, 2, 1, 6, 5, 4]]);
        let shifted = pixels(TestTimeAugmentation { flip: true, shift: 1 });
        assert_eq!(shifted[1..3], [vec![5, 6, 6, 5, 6, 6], vec![1, 1, 2, 1, 1, 2]]);
        assert_eq!((shifted.len(), &shifted[4]), (6, &vec![6, 6, 5, 6, 6, 5]));
        // Further than the image is wide.
        assert_eq!(pixels(TestTimeAugmentation { flip: false, shift: 9 })[2], vec![1; 6]);
    }

    #[test]
    fn views_that_say_the_same_change_nothing() {
        // The trial's model looks at the brightness, which no mirror changes.
        let trial = Trial::new(&[(0, [1.0, 0.0, 0.0]), (0, [1.0, 0.0, 0.0]), (2, [0.0, 0.0, 1.0])]);
        let StepResult::TestTimeAugmentation(outcome) = TestTimeAugmentation::default().compute(&trial).unwrap() else {
            panic!()
        };
        assert_eq!((outcome.views, outcome.examples, outcome.right), (2, 3, 3));
        assert_eq!(outcome.accuracy, outcome.averaged_right as f64 / 3.0);
        assert!(outcome.interval.0 <= outcome.accuracy && outcome.accuracy <= outcome.interval.1);
    }
}
