//! What the key `learning_rate` takes: a number, or a schedule.

use super::{Length, Schedule};
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// The size of an optimizer's steps.
#[derive(Clone, Debug, PartialEq)]
pub enum LearningRate {
    /// The same in all steps.
    Constant(f64),
    /// As a schedule has it.
    Scheduled(Schedule),
}

impl LearningRate {
    /// The rate of a step, counted from 0.
    pub fn at(&self, step: u64, training: &Length) -> f64 {
        match self {
            LearningRate::Constant(rate) => *rate,
            LearningRate::Scheduled(schedule) => schedule.rate(step, training),
        }
    }

    /// The largest rate that it comes to.
    pub fn largest(&self) -> f64 {
        match self {
            LearningRate::Constant(rate) => *rate,
            LearningRate::Scheduled(schedule) => schedule.largest(),
        }
    }

    /// Whether a training of more steps has other rates from the beginning on.
    pub fn hangs_on_length(&self) -> bool {
        matches!(self, LearningRate::Scheduled(schedule) if schedule.hangs_on_length())
    }
}

impl Serialize for LearningRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LearningRate::Constant(rate) => serializer.serialize_f64(*rate),
            LearningRate::Scheduled(schedule) => schedule.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LearningRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match value.as_f64() {
            Some(rate) => Ok(LearningRate::Constant(rate)),
            None => serde_json::from_value(value).map(LearningRate::Scheduled).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for LearningRate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LearningRate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        let constant = serde_json::json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 100 });
        json_schema!({ "anyOf": [constant, generator.subschema_for::<Schedule>()] })
    }
}
