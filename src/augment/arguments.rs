//! Arguments that several augmentations take.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A number or a range, all from `LOW` to `HIGH`. What a single number means is the argument's to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span<const LOW: i32, const HIGH: i32> {
    /// A single number.
    One(f64),
    /// A range.
    Between([f64; 2]),
}

impl<const LOW: i32, const HIGH: i32> Span<LOW, HIGH> {
    /// The range; a single number stands for what `single` makes of it.
    pub fn range(self, single: impl FnOnce(f64) -> [f64; 2]) -> [f64; 2] {
        match self {
            Span::One(number) => single(number),
            Span::Between([a, b]) => [a.min(b), a.max(b)],
        }
    }

    /// The range; a single number is as far from zero to both sides.
    pub fn around_zero(self) -> [f64; 2] {
        self.range(|number| [-number.abs(), number.abs()])
    }

    /// The range; a single number is its end, and zero its beginning.
    pub fn from_zero(self) -> [f64; 2] {
        self.range(|number| [0.0, number])
    }

    /// The range; a single number is nothing else.
    pub fn fixed(self) -> [f64; 2] {
        self.range(|number| [number, number])
    }
}

impl<const LOW: i32, const HIGH: i32> Serialize for Span<LOW, HIGH> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Span::One(number) => number.serialize(serializer),
            Span::Between(range) => range.serialize(serializer),
        }
    }
}

impl<'de, const LOW: i32, const HIGH: i32> Deserialize<'de> for Span<LOW, HIGH> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let read = match &value {
            serde_json::Value::Array(_) => serde_json::from_value(value).map(Span::Between),
            _ => serde_json::from_value(value).map(Span::One),
        };
        read.map_err(serde::de::Error::custom)
    }
}

impl<const LOW: i32, const HIGH: i32> JsonSchema for Span<LOW, HIGH> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Span{LOW}To{HIGH}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = serde_json::json!({ "type": "number", "minimum": LOW, "maximum": HIGH });
        json_schema!({ "anyOf": [number, { "type": "array", "items": number, "minItems": 2, "maxItems": 2 }] })
    }
}

/// What stands where an image has no pixels, in Keras' words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FillMode {
    /// The image mirrored at its edge, the edge itself twice.
    #[default]
    Reflect,
    /// `fill_value`.
    Constant,
    /// The nearest pixel of the edge.
    Nearest,
    /// The image again, from its other edge on.
    Wrap,
}

/// How a value between pixels is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// From the four pixels around it, by their distances.
    #[default]
    Bilinear,
    /// From the nearest pixel.
    Nearest,
}

/// The probability of what happens to every second image.
pub fn half() -> f64 {
    0.5
}

/// The probability of what happens to every image.
pub fn always() -> f64 {
    1.0
}
