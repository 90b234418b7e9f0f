//! What is put around images, or taken away there.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// Rows at the top and bottom, columns at the left and right: a number for all, `[vertical, horizontal]`, or
/// `[[top, bottom], [left, right]]`; each side is a number or two.
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
        let side = |value: serde_json::Value| match value.as_u64().map(usize::try_from) {
            Some(both) => both.map(|n| [n, n]).map_err(D::Error::custom),
            None => serde_json::from_value(value).map_err(D::Error::custom),
        };
        match value {
            serde_json::Value::Array(_) => {
                let [vertical, horizontal] = serde_json::from_value(value).map_err(D::Error::custom)?;
                Ok(Border([side(vertical)?, side(horizontal)?]))
            }
            value => side(value).map(|both| Border([both, both])),
        }
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
        let two = |items: serde_json::Value| serde_json::json!({ "type": "array", "items": items, "minItems": 2, "maxItems": 2 });
        json_schema!({ "anyOf": [number, two(serde_json::json!({ "anyOf": [number, two(number.clone())] }))] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_its_forms_are_read_and_written() {
        for (text, border) in [
            (json!(2), [[2, 2], [2, 2]]),
            (json!([1, 2]), [[1, 1], [2, 2]]),
            (json!([[0, 1], [2, 2]]), [[0, 1], [2, 2]]),
        ] {
            assert_eq!(serde_json::from_value::<Border>(text.clone()).unwrap(), Border(border));
            assert_eq!(serde_json::to_value(Border(border)).unwrap(), text);
        }
        assert_eq!(serde_json::from_value::<Border>(json!([1, [2, 3]])).unwrap(), Border([[1, 1], [2, 3]]));
        for wrong in [json!(-1), json!("2"), json!([1]), json!([[1], [2]]), json!([[[1, 1], [1, 1]], 1])] {
            assert!(serde_json::from_value::<Border>(wrong).is_err());
        }
    }
}
