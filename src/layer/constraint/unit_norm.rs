//! `w / (epsilon + norm)`, as Keras' `UnitNorm`.

use super::{Axes, ConstraintDefinition, EPSILON};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Every norm is 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "axis", "examples" = [{}, {"axis": [0, 1, 2]}]))]
pub struct UnitNorm {
    /// The axes over which norms are summed up, of a kernel `[in, out]` or `[height, width, in, out]`: 0 is the inputs of a
    /// dense unit, `[0, 1, 2]` all of a filter.
    pub axis: Axes,
}

impl ConstraintDefinition for UnitNorm {
    fn apply(&self, weights: &Tensor) -> Result<Tensor, TchError> {
        weights.f_div(&self.axis.norms(weights)?.f_add_scalar(EPSILON)?)
    }

    fn axes(&self) -> &[usize] {
        &self.axis.0
    }
}
