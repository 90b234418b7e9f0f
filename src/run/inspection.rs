//! What was seen of the data, as plain numbers and small pictures: `data.json`.

use serde::{Deserialize, Serialize};

/// What was seen of a source's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Class names, in the order of labels.
    pub classes: Vec<String>,
    /// `[height, width, channels]`.
    pub shape: Vec<usize>,
    /// Training, validation, test, as far as there are examples.
    pub splits: Vec<SplitInspection>,
    /// The same bytes more than once; unknown where not every example was read.
    pub duplicates: Option<Duplicates>,
}

/// What was seen of one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitInspection {
    /// `train`, `validation` or `test`.
    pub name: String,
    /// How many examples.
    pub examples: usize,
    /// How many of each class.
    pub per_class: Vec<usize>,
    /// The values of all its pixels; unknown where not every example was read.
    pub pixels: Option<Pixels>,
    /// How many could not be read.
    pub unreadable: usize,
    /// Why not, of the first ones.
    pub reasons: Vec<String>,
    /// Some of its images.
    pub sample: Vec<Thumbnail>,
    /// The same behind the augmentations of the first epoch, where there are any.
    #[serde(default)]
    pub augmented: Vec<Thumbnail>,
}

/// Pixel values, 0 to 255, as the source gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pixels {
    /// The smallest.
    pub least: u8,
    /// The largest.
    pub most: u8,
    /// The mean of each channel.
    pub mean: Vec<f64>,
    /// The standard deviation of each channel.
    pub deviation: Vec<f64>,
}

/// An image of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Its place in the split, from 0.
    pub index: usize,
    /// Its label.
    pub label: u32,
    /// The image as PNG, in base 64.
    pub png: String,
}

/// Examples whose bytes are the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Training examples that are a copy of an earlier one.
    pub within_train: usize,
    /// Test examples that are a copy of an earlier one.
    pub within_test: usize,
    /// Test examples that were trained on, too.
    pub test_in_train: usize,
    /// Pairs of the same bytes with different labels.
    pub contradictions: usize,
    /// Some of what was found, for people.
    pub examples: Vec<String>,
}
