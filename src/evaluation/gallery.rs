//! Examples as the report shows them: the image, what it is, what it was taken for.

use super::{Predictions, Subject};
use crate::{diagnostic::Result, picture::thumbnail, random::Purpose};
use serde::{Deserialize, Serialize};

/// A test example with what the model said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its place in the test split, from 0.
    pub index: usize,
    /// What people call it, such as the path of its file.
    pub name: String,
    /// Its true label.
    pub label: u32,
    /// The class that it was taken for.
    pub predicted: u32,
    /// The most probable classes with their probabilities, the most probable one first.
    pub top: Vec<Sure>,
    /// The probability of the true class.
    pub probability_of_label: f32,
    /// The image as PNG, in base 64; nothing where the example is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub png: Option<String>,
}

/// A class and how probable it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sure {
    /// The class.
    pub class: u32,
    /// Its probability.
    pub probability: f32,
}

/// The test example `index`, with its `top` most probable classes.
///
/// # Errors
/// Where it cannot be read.
pub fn shown(subject: &dyn Subject, index: usize, top: usize) -> Result<Shown> {
    let predictions = subject.predictions();
    let label = predictions.labels[index];
    let png = match *subject.shape() {
        [height, width, channels] => thumbnail(&subject.example(index)?, [height, width, channels]),
        _ => None,
    };
    Ok(Shown {
        index,
        name: subject.describe(index),
        label,
        predicted: predictions.predicted[index],
        top: ranked(predictions, index, top),
        probability_of_label: predictions.of(index).get(label as usize).copied().unwrap_or(f32::NAN),
        png,
    })
}

/// The most probable classes of an example; of equal ones the first in the list of classes.
fn ranked(predictions: &Predictions, index: usize, top: usize) -> Vec<Sure> {
    let probabilities = predictions.of(index).iter().zip(0..);
    let mut all: Vec<Sure> = probabilities.map(|(&probability, class)| Sure { class, probability }).collect();
    all.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.class.cmp(&b.class)));
    all.truncate(top);
    all
}

/// The test examples of those numbers.
///
/// # Errors
/// Where one cannot be read.
pub(super) fn all_shown(
    subject: &dyn Subject,
    indices: impl IntoIterator<Item = usize>,
    top: usize,
) -> Result<Vec<Shown>> {
    indices.into_iter().map(|index| shown(subject, index, top)).collect()
}

/// The examples of which `key` gives a number, the largest first; of equal ones the first in the split.
pub(super) fn largest(predictions: &Predictions, key: impl Fn(usize) -> Option<f64>) -> Vec<usize> {
    let mut found: Vec<(f64, usize)> =
        (0..predictions.len()).filter_map(|index| Some((key(index).filter(|key| !key.is_nan())?, index))).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, index)| index).collect()
}

/// The examples that were predicted wrong, those first of which the model was surest.
pub(super) fn surest_mistakes(predictions: &Predictions) -> Vec<usize> {
    largest(predictions, |index| (!predictions.is_right(index)).then(|| predictions.confidence(index)))
}

/// So many of the test `examples` by chance, by a constant: every run on the same data shows the same ones, in their order.
pub(super) fn by_chance(examples: usize, count: usize, purpose: &str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..examples).collect();
    Purpose::new(0, purpose).stream(0, 0).shuffle(&mut order);
    order.truncate(count);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn an_example_is_shown_with_its_most_probable_classes() {
        let trial = Trial::new(&[(0, [0.2, 0.5, 0.3]), (2, [0.4, 0.4, 0.2])]);
        let first = shown(&trial, 0, 2).unwrap();
        let classes: Vec<u32> = first.top.iter().map(|sure| sure.class).collect();
        assert_eq!((classes, first.label, first.predicted), (vec![1, 2], 0, 1));
        assert_eq!(first.probability_of_label, 0.2);
        assert!(first.png.is_some());
        // Of equal ones the first.
        assert_eq!(shown(&trial, 1, 1).unwrap().top[0].class, 0);
    }

    #[test]
    fn numbers_that_are_none_come_nowhere() {
        let trial = Trial::new(&[(0, [0.2, 0.5, 0.3]), (2, [f32::NAN; 3]), (1, [0.1, 0.8, 0.1])]);
        let order = largest(trial.predictions(), |index| Some(trial.predictions().confidence(index)));
        assert_eq!(order, [2, 0]);
    }

    #[test]
    fn chance_is_the_same_each_time() {
        let chosen = by_chance(9, 4, "a test");
        assert_eq!(chosen, by_chance(9, 4, "a test"));
        assert_eq!(chosen.len(), 4);
        assert!(chosen.is_sorted());
        assert_eq!(by_chance(9, 99, "a test").len(), 9);
    }
}
