//! `|y - p|`, as Keras' `MeanAbsoluteError`.

use super::{LossDefinition, Targets, reduce, residuals};
use crate::task::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Reduction, TchError, Tensor};

/// The distance between the number that is predicted and the true one: a few large errors weigh less than with
/// `mean_squared_error`. The model ends in `dense: 1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["mae", "L1Loss", "l1_loss", "absolute_error"], "examples" = [{}]))]
pub struct MeanAbsoluteError {}

impl LossDefinition for MeanAbsoluteError {
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        _from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError> {
        reduce(&residuals(outputs, targets)?.f_abs()?, reduction)
    }

    fn task(&self) -> Task {
        Task::Regression
    }

    fn of_residual(&self, residual: f64) -> Option<f64> {
        Some(residual.abs())
    }
}
