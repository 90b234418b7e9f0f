//! The share of examples whose most probable class is the true one; the first among equals counts.

use super::MetricDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// The share of examples predicted right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["acc", "sparse_categorical_accuracy", "categorical_accuracy"], "examples" = [{}]))]
pub struct Accuracy {}

impl MetricDefinition for Accuracy {
    fn sum(&self, outputs: &Tensor, labels: &Tensor) -> Result<f64, TchError> {
        outputs.f_argmax(1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?.f_double_value(&[])
    }

    fn larger_is_better(&self) -> bool {
        true
    }

    fn range(&self) -> (f64, f64) {
        (0.0, 1.0)
    }
}
