//! A layer with the name that a pipeline may give it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error};
use serde_json::Value as Json;
use std::{borrow::Cow, ops::Deref};

/// The argument that every layer takes besides its own.
const NAME: &str = "name";

/// The arguments of a layer, with a name of its own where it has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T> {
    name: Option<String>,
    layer: T,
}

impl<T> Named<T> {
    /// The name that the pipeline gives it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl<T> Deref for Named<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.layer
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(name) = &self.name else { return self.layer.serialize(serializer) };
        let mut json = serde_json::to_value(&self.layer).map_err(serde::ser::Error::custom)?;
        json[NAME] = name.as_str().into();
        json.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Json::deserialize(deserializer)?;
        let name = json.as_object_mut().and_then(|arguments| arguments.remove(NAME));
        let name = name.map(serde_json::from_value).transpose().map_err(D::Error::custom)?;
        Ok(Named { name, layer: serde_json::from_value(json).map_err(D::Error::custom)? })
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("named {}", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        let name = json_schema!({
            "description": "What the layer is called in tables, messages and patterns, and its weights with it, as in \
                            `stem.kernel`; within `repeat` the second one is `stem_1`.",
            "type": "string",
            "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,99}$",
            "x-default": "its kind, with a number from the second one on",
            "x-expected": "letters, digits, `_` and `-`, beginning with a letter",
            "examples": ["stem"],
        });
        let properties = schema.ensure_object().entry("properties").or_insert_with(|| Json::Object(Default::default()));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert(NAME.to_owned(), name.into());
        }
        schema
    }
}
