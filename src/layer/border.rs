//! What is put around images, or taken away there.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// Rows at the top and bottom, columns at the left and right: a number for all, `[vertical, horizontal]`, or
/// `[[top, bottom], [left, right]]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Border(pub [[usize; 2]; 2]);

impl Border {
    /// The same on all sides.
    pub const fn all(n: usize) -> Self {
        Border([[n, n], [n, n]])
    }

    /// Left, right, top, bottom.
    pub(super) fn amounts(self) -> [i64; 4] {
        let [[top, bottom], [left, right]] = self.0;
        [left, right, top, bottom].map(|n| n as i64)
    }
}

impl Serialize for Border {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [[top, bottom], [left, right]] = self.0;
        match (top == bottom && left == right, top == left) {
            (true, true) => top.serialize(serializer),
            (true, false) => [top, left].serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Border {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if let Some(all) = value.as_u64() {
            return usize::try_from(all).map(Border::all).map_err(D::Error::custom);
        }
        let both = serde_json::from_value::<[usize; 2]>(value.clone())
            .map(|[vertical, horizontal]| Border([[vertical, vertical], [horizontal, horizontal]]));
        both.or_else(|_| serde_json::from_value(value).map(Border)).map_err(D::Error::custom)
    }
}

impl JsonSchema for Border {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Border".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = serde_json::json!({ "type": "integer", "minimum": 0, "maximum": 4096 });
        let two = |items: &serde_json::Value| serde_json::json!({ "type": "array", "items": items, "minItems": 2, "maxItems": 2 });
        json_schema!({ "anyOf": [number, two(&number), two(&two(&number))] })
    }
}
