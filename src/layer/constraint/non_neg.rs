//! `max(w, 0)`, as Keras' `NonNeg`.

use super::ConstraintDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// No weight is negative.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct NonNeg {}

impl ConstraintDefinition for NonNeg {
    fn apply(&self, weights: &Tensor) -> Result<Tensor, TchError> {
        weights.f_clamp_min(0.0)
    }
}
