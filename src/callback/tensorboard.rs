//! TensorBoard's event files, as Keras' `TensorBoard` lays them out.

use super::CallbackDefinition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Writes event files for TensorBoard to `tensorboard/` in the run's directory: figures of every epoch, the layers as a graph,
/// some training images before and after augmentation, and the figures on the test data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "update_freq", "examples" = [{}, {"update_freq": 100}]))]
pub struct Tensorboard {
    /// When figures are written: `epoch`, after every epoch; or a number, after so many steps, too.
    pub update_freq: UpdateFreq,
}

/// When figures are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateFreq {
    /// After every epoch.
    #[default]
    Epoch,
    /// After so many steps, too.
    Steps(u64),
}

impl Serialize for UpdateFreq {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            UpdateFreq::Epoch => serializer.serialize_str("epoch"),
            UpdateFreq::Steps(steps) => serializer.serialize_u64(*steps),
        }
    }
}

impl<'de> Deserialize<'de> for UpdateFreq {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The schema allows `epoch` and whole numbers only.
        Ok(serde_json::Value::deserialize(deserializer)?.as_u64().map_or(UpdateFreq::Epoch, UpdateFreq::Steps))
    }
}

impl JsonSchema for UpdateFreq {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "UpdateFreq".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "epoch" }, { "type": "integer", "minimum": 1, "maximum": 1_000_000 }] })
    }
}

impl CallbackDefinition for Tensorboard {
    fn event_files(&self) -> Option<UpdateFreq> {
        Some(self.update_freq)
    }
}
