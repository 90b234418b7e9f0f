//! `(y - p)^2`, as Keras' `MeanSquaredError`.

use super::{LossDefinition, Targets, reduce, residuals};
use crate::task::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Reduction, TchError, Tensor};

/// The squared distance between the number that is predicted and the true one: large errors weigh more. The model ends in
/// `dense: 1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["mse", "MSELoss", "l2_loss", "squared_error"], "examples" = [{}]))]
pub struct MeanSquaredError {}

impl LossDefinition for MeanSquaredError {
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        _from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError> {
        reduce(&residuals(outputs, targets)?.f_square()?, reduction)
    }

    fn task(&self) -> Task {
        Task::Regression
    }

    fn of_residual(&self, residual: f64) -> Option<f64> {
        Some(residual.powi(2))
    }
}
