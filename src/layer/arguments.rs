//! Types that several layers take as arguments.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// A height and a width, written as one number for both or as a list of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pair(pub [usize; 2]);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pair;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number or a list of two")
            }

            fn visit_u64<E: serde::de::Error>(self, both: u64) -> Result<Pair, E> {
                let both = usize::try_from(both).map_err(E::custom)?;
                Ok(Pair([both, both]))
            }

            fn visit_i64<E: serde::de::Error>(self, both: i64) -> Result<Pair, E> {
                self.visit_u64(u64::try_from(both).map_err(E::custom)?)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, sequence: A) -> Result<Pair, A::Error> {
                Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(sequence)).map(Pair)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Pair {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pair".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        pair_from(1)
    }
}

fn pair_from(least: usize) -> Schema {
    let number = serde_json::json!({ "type": "integer", "minimum": least, "maximum": 4096 });
    json_schema!({ "anyOf": [number, { "type": "array", "items": number, "minItems": 2, "maxItems": 2 }] })
}

/// A [`Pair`] whose numbers may be 0, as a schema.
pub(super) fn pair_from_zero(_: &mut SchemaGenerator) -> Schema {
    pair_from(0)
}

/// What happens at the border of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Only windows that lie within the image count.
    #[default]
    Valid,
    /// Zeros are put around the image, as TensorFlow does it, so that `ceil(size / stride)` windows fit.
    Same,
}

/// How many windows fit along one axis, and what is padded before and behind.
pub struct Windows {
    /// How many.
    pub count: usize,
    /// Elements padded before the first.
    pub before: usize,
    /// Elements padded behind the last.
    pub after: usize,
}

impl Padding {
    /// Windows of `window` elements every `stride` over `size` elements.
    ///
    /// For `same`, TensorFlow's rule: the padding is as even as it can be, the odd element goes behind.
    pub fn windows(self, size: usize, window: usize, stride: usize) -> Windows {
        match self {
            Padding::Valid => Windows { count: (size + stride).saturating_sub(window) / stride, before: 0, after: 0 },
            Padding::Same => {
                let count = size.div_ceil(stride);
                let total = ((count.max(1) - 1) * stride + window).saturating_sub(size);
                Windows { count, before: total / 2, after: total - total / 2 }
            }
        }
    }
}
