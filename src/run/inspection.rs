//! What was seen of the data, as plain numbers and small pictures: `data.json`.

use crate::evaluation::{
    Histogram,
    statistics::{moments, quantile},
};
use serde::{Deserialize, Serialize};

/// What was seen of a source's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Class names, in the order of labels.
    pub classes: Vec<String>,
    /// What the number is called that is to be predicted; nothing where examples are of classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `[height, width, channels]`, or `[features]`.
    pub shape: Vec<usize>,
    /// Names of the features, where examples are no images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
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
    /// The numbers that are to be predicted, where examples are of no classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// The values of all its examples; unknown where not every example was read.
    #[serde(default)]
    pub values: Option<Values>,
    /// The same behind the layers that scale and normalize, where the model begins with such ones.
    #[serde(default)]
    pub normalized: Option<Values>,
    /// The image with the fewest pixels, as it was stored, and the one with the most.
    #[serde(default)]
    pub sizes: Option<[StoredImage; 2]>,
    /// How many could not be read.
    pub unreadable: usize,
    /// Why not, of the first ones.
    pub reasons: Vec<String>,
    /// Some of its images.
    pub sample: Vec<Thumbnail>,
    /// The same behind the augmentations of the first epoch, where there are any.
    #[serde(default)]
    pub augmented: Vec<Thumbnail>,
    /// What each of the augmentations does alone.
    #[serde(default)]
    pub strips: Vec<Strip>,
}

/// Numbers that are to be predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Targets {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The smallest one, the quartiles and the largest one.
    pub quartiles: [f64; 5],
    /// How many there are of each size.
    pub histogram: Histogram,
}

impl Targets {
    /// Of those that are numbers; nothing where none is.
    pub fn of(numbers: &[f32]) -> Option<Self> {
        let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
        let histogram = Histogram::of(&numbers)?;
        let mut sorted: Vec<f64> = numbers.into_iter().filter(|number| number.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (mean, deviation) = moments(&sorted)?;
        let at = |share: f64| quantile(&sorted, share).unwrap_or(f64::NAN);
        Some(Targets { mean, deviation, quartiles: [0.0, 0.25, 0.5, 0.75, 1.0].map(at), histogram })
    }
}

/// Values, for each channel or feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// The smallest ones.
    pub least: Vec<f64>,
    /// The largest ones.
    pub most: Vec<f64>,
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub deviation: Vec<f64>,
}

impl Values {
    /// The smallest and the largest of all.
    pub fn range(&self) -> [f64; 2] {
        let least = self.least.iter().copied().fold(f64::INFINITY, f64::min);
        [least, self.most.iter().copied().fold(f64::NEG_INFINITY, f64::max)]
    }
}

impl Duplicates {
    /// What was found, in words: without copies, that there are none.
    pub fn summary(&self) -> String {
        let counts = [
            (self.within_train, "within train"),
            (self.within_validation, "within validation"),
            (self.within_test, "within test"),
            (self.validation_in_train, "of validation in train"),
            (self.test_in_train, "of test in train"),
            (self.test_in_validation, "of test in validation"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .chain((self.contradictions > 0).then(|| format!("{} with another label", self.contradictions)))
            .collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }
}

/// An image file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredImage {
    /// What it is called.
    pub name: String,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
}

impl StoredImage {
    /// Height and width, as people read them.
    pub fn size(&self) -> String {
        format!("{}x{}", self.height, self.width)
    }
}

/// An example that cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The split it is in.
    pub split: String,
    /// What it is called, such as the path of its file.
    pub example: String,
    /// Why.
    pub reason: String,
}

/// Images after one of the augmentations alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strip {
    /// The augmentation, as the pipeline writes it.
    pub augmentation: String,
    /// The first images of the sample.
    pub images: Vec<Thumbnail>,
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
    /// Validation examples that are a copy of an earlier one.
    #[serde(default)]
    pub within_validation: usize,
    /// Validation examples that were trained on, too.
    #[serde(default)]
    pub validation_in_train: usize,
    /// Test examples that were validated on, too.
    #[serde(default)]
    pub test_in_validation: usize,
    /// Test examples that were trained on, too.
    pub test_in_train: usize,
    /// Pairs of the same bytes with different labels.
    pub contradictions: usize,
    /// Some of what was found, for people.
    pub examples: Vec<String>,
}
