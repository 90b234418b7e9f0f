//! What training adds to the loss for large weights, as Keras' `L1L2`: `l1 * sum(|w|) + l2 * sum(w * w)`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// What large weights cost: it is added to the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{"l2": 0.0001}, {"l1": 0.00001, "l2": 0.0001}]))]
pub struct Regularizer {
    /// What the sum of the absolute values is multiplied by.
    #[schemars(range(min = 0, max = 1000000))]
    pub l1: f64,
    /// What the sum of the squares is multiplied by.
    #[schemars(range(min = 0, max = 1000000), extend("x-known-as" = ["weight_decay"]))]
    pub l2: f64,
}

impl Regularizer {
    /// What `weights` cost, a scalar.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn cost(&self, weights: &Tensor) -> Result<Tensor, TchError> {
        let part = |factor: f64, sum: Result<Tensor, TchError>| sum?.f_mul_scalar(factor);
        let squares = || weights.f_square()?.f_sum(Kind::Float);
        let sizes = || weights.f_abs()?.f_sum(Kind::Float);
        match (self.l1 > 0.0, self.l2 > 0.0) {
            (true, true) => part(self.l1, sizes())?.f_add(&part(self.l2, squares())?),
            (true, false) => part(self.l1, sizes()),
            (false, _) => part(self.l2, squares()),
        }
    }
}
