//! Figures that are told while training: Keras' metrics, one file each.

use crate::family;
use tch::{TchError, Tensor};

/// What all metrics share. A metric is a mean over examples; the figure has the metric's name.
pub trait MetricDefinition {
    /// The sum over the batch of what the metric is the mean of.
    ///
    /// `outputs`: `[batch, classes]`; `labels`: `[batch]`.
    ///
    /// # Errors
    /// What libtorch reports.
    fn sum(&self, outputs: &Tensor, labels: &Tensor) -> Result<f64, TchError>;

    /// Whether a larger figure is a better one.
    fn larger_is_better(&self) -> bool;

    /// The least and the largest value that the figure can have.
    fn range(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }
}

family! {
    /// A figure that is told while training.
    pub enum Metric("metric"): MetricDefinition {
        accuracy::Accuracy,
    }
}
