//! `w * clip(norm, 0, max_value) / (epsilon + norm)`, as Keras' `MaxNorm`.

use super::{Axes, ConstraintDefinition, EPSILON};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// No norm is larger than `max_value`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "max_value", "examples" = [{"max_value": 3}, {"max_value": 2, "axis": [0, 1, 2]}]))]
pub struct MaxNorm {
    /// The largest norm.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000000))]
    pub max_value: f64,
    /// The axes over which norms are summed up, of a kernel `[in, out]` or `[height, width, in, out]`: 0 is the inputs of a
    /// dense unit, `[0, 1, 2]` all of a filter.
    pub axis: Axes,
}

impl Default for MaxNorm {
    fn default() -> Self {
        MaxNorm { max_value: 2.0, axis: Axes::default() }
    }
}

impl ConstraintDefinition for MaxNorm {
    fn apply(&self, weights: &Tensor) -> Result<Tensor, TchError> {
        let norms = self.axis.norms(weights)?;
        let factor = norms.f_clamp_max(self.max_value)?.f_div(&norms.f_add_scalar(EPSILON)?)?;
        weights.f_mul(&factor)
    }

    fn axes(&self) -> &[usize] {
        &self.axis.0
    }
}
