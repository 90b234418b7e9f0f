//! What a step may ask of the run whose model it evaluates.

use super::Estimates;
use crate::{diagnostic::Result, task::Task};

/// What a model said of every example of a split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Class names, in the order of their labels.
    pub classes: Vec<String>,
    /// The true label of each example.
    pub labels: Vec<u32>,
    /// The most probable class of each example; the first among equals.
    pub predicted: Vec<u32>,
    /// Probabilities, `[example, class]`, row after row.
    pub probabilities: Vec<f32>,
}

/// Which of some numbers is the largest; the first among equals.
pub(super) fn most_probable<T: PartialOrd>(row: &[T]) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

impl Predictions {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The probabilities of an example, `[class]`.
    pub fn of(&self, index: usize) -> &[f32] {
        let classes = self.classes.len();
        self.probabilities.get(index * classes..(index + 1) * classes).unwrap_or_default()
    }

    /// Whether an example was predicted right.
    pub fn is_right(&self, index: usize) -> bool {
        self.labels[index] == self.predicted[index]
    }

    /// How many classes come before the true one of an example, more than there are where its probability is no number. Among
    /// equals the first counts as the more probable.
    pub fn rank(&self, index: usize) -> usize {
        let label = self.labels[index] as usize;
        let (row, mut before) = (self.of(index), 0);
        let own = row.get(label).copied().unwrap_or(f32::NAN);
        if own.is_nan() {
            return usize::MAX;
        }
        for (class, &p) in row.iter().enumerate() {
            before += usize::from(p > own || (p == own && class < label));
        }
        before
    }

    /// The probability of the predicted class.
    pub fn confidence(&self, index: usize) -> f64 {
        self.of(index).get(self.predicted[index] as usize).map_or(f64::NAN, |&p| f64::from(p))
    }
}

/// A layer and what leaves it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerShape {
    /// Its unique name, `conv2d_1`.
    pub name: String,
    /// `[height, width, channels]` or `[features]`.
    pub shape: Vec<usize>,
    /// Whether it keeps weights.
    pub has_weights: bool,
}

/// What left a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Activations {
    /// `[height, width, channels]` or `[features]`.
    pub shape: Vec<usize>,
    /// `[example, channels, height, width]` or `[example, features]`, row after row.
    pub values: Vec<f32>,
}

/// The kernels of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernels {
    /// The layer.
    pub layer: String,
    /// `[filters, channels, height, width]`
    pub shape: [usize; 4],
    /// The weights in that order.
    pub values: Vec<f32>,
}

/// The figures of one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve<'a> {
    /// From 1.
    pub epoch: usize,
    /// `loss`, `val_loss`, ...
    pub figures: &'a [(String, f64)],
}

/// How many examples of each class a split has.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// `train`, `validation` or `test`.
    pub name: String,
    /// By class.
    pub per_class: Vec<usize>,
}

/// The run whose model is evaluated.
pub trait Subject {
    /// What the model is to predict.
    fn task(&self) -> Task;

    /// Which class the model says that every test example is of; of none where numbers are predicted.
    fn predictions(&self) -> &Predictions;

    /// Which number the model says of every test example; of none where classes are predicted.
    fn estimates(&self) -> &Estimates;

    /// How many test examples there are.
    fn examples(&self) -> usize {
        match self.task() {
            Task::Classification => self.predictions().len(),
            Task::Regression => self.estimates().len(),
        }
    }

    /// `[height, width, channels]` of images, bytes; or `[features]`, numbers.
    fn shape(&self) -> &[usize];

    /// Reads a test example as the model gets it: an image's bytes, or a row's numbers, float32 in the machine's order.
    ///
    /// # Errors
    /// Where it cannot be read, or the user wants to stop.
    fn example(&self, index: usize) -> Result<Vec<u8>>;

    /// Nothing, as long as the user doesn't want to stop.
    ///
    /// # Errors
    /// Where the user wants to stop.
    fn go_on(&self) -> Result<()>;

    /// What people call a test example.
    fn describe(&self, index: usize) -> String;

    /// Height and width of an image as it was stored; nothing where all are stored as they are read.
    fn stored_size(&self, index: usize) -> Option<[usize; 2]>;

    /// Names of the numbers of a row; none of images.
    fn features(&self) -> &[String];

    /// What the source says of every test example in a column beside image and label; nothing where it has no such column.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>>;

    /// Training so far, epoch by epoch.
    fn history(&self) -> Vec<Curve<'_>>;

    /// The epoch, from 1, whose weights were kept, where they aren't the last ones.
    fn best_epoch(&self) -> Option<usize>;

    /// The splits of the data.
    fn splits(&self) -> &[Split];

    /// How many examples are evaluated at once.
    fn batch_size(&self) -> usize;

    /// Probabilities, `[example, class]`, or predicted numbers, `[example]`, of examples that stand one behind the other in `examples`.
    ///
    /// # Errors
    /// Where libtorch fails, or the user wants to stop.
    fn probabilities(&self, examples: &[u8]) -> Result<Vec<f32>>;

    /// The layers, in order, those within others included.
    fn layers(&self) -> &[LayerShape];

    /// What leaves the layer of that name for `examples`.
    ///
    /// # Errors
    /// Where libtorch fails, or the user wants to stop.
    fn activations(&self, examples: &[u8], layer: &str) -> Result<Activations>;

    /// The kernels of the first convolution, where there is one.
    ///
    /// # Errors
    /// Where libtorch fails.
    fn first_kernels(&self) -> Result<Option<Kernels>>;

    /// The gradient of a class's output with regard to an image, `[height, width, channels]`.
    ///
    /// # Errors
    /// Where libtorch fails.
    fn gradient(&self, image: &[u8], class: u32) -> Result<Vec<f32>>;

    /// Grad-CAM: the channels that leave `layer`, weighted by how much a class's output rises with each of them, where that
    /// sum is positive; brought to the image's size, `[height, width]` (Selvaraju et al. 2017).
    ///
    /// # Errors
    /// Where libtorch fails.
    fn class_activation(&self, image: &[u8], class: u32, layer: &str) -> Result<Vec<f32>>;
}
