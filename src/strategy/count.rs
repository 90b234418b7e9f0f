//! A number, or `auto`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A number of threads or processes, or as many as the machine allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// As many as the machine allows.
    #[default]
    Auto,
    /// So many.
    Fixed(usize),
}

impl Count {
    /// The number, where it is given.
    pub fn fixed(self) -> Option<usize> {
        match self {
            Count::Auto => None,
            Count::Fixed(count) => Some(count),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Count::Auto => serializer.serialize_str("auto"),
            Count::Fixed(n) => serializer.serialize_u64(*n as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The schema allows `auto` and whole numbers only.
        Ok(serde_json::Value::deserialize(deserializer)?
            .as_u64()
            .map_or(Count::Auto, |count| Count::Fixed(count as usize)))
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": 1024 }] })
    }
}
