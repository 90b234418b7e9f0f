//! What weights are brought back to after each step of the optimizer: Keras' constraints, one file each.

use crate::family;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use tch::{Kind, TchError, Tensor};

/// Keras' `epsilon()`, which keeps a norm of 0 from dividing.
const EPSILON: f64 = 1e-7;

/// What all constraints share.
pub trait ConstraintDefinition {
    /// The nearest weights that it allows; the axes are those of Keras: `[height, width, in, out]`, `[in, out]`.
    ///
    /// # Errors
    /// What libtorch reports.
    fn apply(&self, weights: &Tensor) -> Result<Tensor, TchError>;

    /// The axes that it names.
    fn axes(&self) -> &[usize] {
        &[]
    }
}

family! {
    /// What weights are brought back to after each step.
    pub enum Constraint("constraint"): ConstraintDefinition {
        max_norm::MaxNorm,
        non_neg::NonNeg,
        unit_norm::UnitNorm,
    }
}

/// The axes over which a norm is summed up: one number, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes(pub Vec<usize>);

impl Default for Axes {
    fn default() -> Self {
        Axes(vec![0])
    }
}

impl Axes {
    /// The norms over these axes, which stay with one element.
    fn norms(&self, weights: &Tensor) -> Result<Tensor, TchError> {
        let axes: Vec<i64> = self.0.iter().map(|&axis| axis as i64).collect();
        weights.f_square()?.f_sum_dim_intlist(axes.as_slice(), true, Kind::Float)?.f_sqrt()
    }
}

impl Serialize for Axes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [axis] => axis.serialize(serializer),
            axes => axes.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let axes = if value.is_array() { value } else { serde_json::json!([value]) };
        serde_json::from_value(axes).map(Axes).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Axes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Axes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 3 },
                { "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 3 }, "minItems": 1, "maxItems": 4 }
            ]
        })
    }
}
