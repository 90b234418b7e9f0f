//! A part of a training, in steps or in epochs.

use super::Length;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// So much of a training: a number of steps, or `{epochs: 2.5}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// Optimizer steps.
    Steps(u64),
    /// Epochs, whole ones or not.
    Epochs(f64),
}

impl Span {
    /// Its steps, at least one.
    pub fn steps(self, training: &Length) -> u64 {
        let steps = match self {
            Span::Steps(steps) => steps,
            Span::Epochs(epochs) => (epochs * training.steps_per_epoch as f64).round() as u64,
        };
        steps.max(1)
    }
}

/// A part of the training in epochs.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"epochs": 2.5}]))]
struct Epochs {
    /// How many epochs; a part of one counts, too.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000000, "examples" = [2.5]))]
    epochs: f64,
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Span::Steps(steps) => serializer.serialize_u64(steps),
            Span::Epochs(epochs) => Epochs { epochs }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match value.as_u64() {
            Some(steps) => Ok(Span::Steps(steps)),
            None => {
                serde_json::from_value(value).map(|Epochs { epochs }| Span::Epochs(epochs)).map_err(D::Error::custom)
            }
        }
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        let steps = serde_json::json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000_000_000u64 });
        json_schema!({ "anyOf": [steps, generator.subschema_for::<Epochs>()] })
    }
}
