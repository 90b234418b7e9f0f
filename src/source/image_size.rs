//! The size that images are brought to.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Unexpected, Visitor},
};
use std::{borrow::Cow, fmt};

/// Height and width in pixels; one number stands for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImageSize([u32; 2]);

/// The longest side an example can have.
const MAX: u32 = 4096;

impl ImageSize {
    /// A size, where both sides lie in 1 to 4096.
    pub fn new(height: u32, width: u32) -> Option<Self> {
        [height, width].iter().all(|side| (1..=MAX).contains(side)).then_some(ImageSize([height, width]))
    }

    /// As high as wide.
    pub const fn square(side: u32) -> Self {
        ImageSize([side, side])
    }

    /// Pixels from top to bottom.
    pub fn height(self) -> usize {
        self.0[0] as usize
    }

    /// Pixels from left to right.
    pub fn width(self) -> usize {
        self.0[1] as usize
    }
}

impl Default for ImageSize {
    /// 256 by 256, as Keras' `image_dataset_from_directory`.
    fn default() -> Self {
        ImageSize([256, 256])
    }
}

/// One side, on its way in.
struct Side(u32);

impl<'de> Deserialize<'de> for Side {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let side = u64::deserialize(deserializer)?;
        side_in_range(side).map(Side)
    }
}

fn side_in_range<E: Error>(side: u64) -> Result<u32, E> {
    u32::try_from(side)
        .ok()
        .filter(|side| (1..=MAX).contains(side))
        .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(side), &"1 to 4096 pixels"))
}

impl<'de> Deserialize<'de> for ImageSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Size;

        impl<'de> Visitor<'de> for Size {
            type Value = ImageSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of pixels, or [height, width]")
            }

            fn visit_u64<E: Error>(self, side: u64) -> Result<ImageSize, E> {
                side_in_range(side).map(|side| ImageSize([side, side]))
            }

            fn visit_i64<E: Error>(self, side: i64) -> Result<ImageSize, E> {
                match u64::try_from(side) {
                    Ok(side) => self.visit_u64(side),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(side), &"1 to 4096 pixels")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sides: A) -> Result<ImageSize, A::Error> {
                let Side(height) = sides.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let Side(width) = sides.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                match sides.next_element::<serde::de::IgnoredAny>()? {
                    None => Ok(ImageSize([height, width])),
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                }
            }
        }

        deserializer.deserialize_any(Size)
    }
}

impl JsonSchema for ImageSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ImageSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let side = serde_json::json!({ "type": "integer", "minimum": 1, "maximum": MAX });
        json_schema!({
            "anyOf": [side, { "type": "array", "items": side, "minItems": 2, "maxItems": 2 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ImageSize;
    use serde_json::json;

    #[test]
    fn a_number_or_a_pair_and_always_written_as_a_pair() {
        for (written, size) in [(json!(32), [32, 32]), (json!([1, 4096]), [1, 4096])] {
            let read: ImageSize = serde_json::from_value(written).unwrap();
            assert_eq!([read.height(), read.width()], size);
            assert_eq!(serde_json::to_value(read).unwrap(), json!(size));
        }
        let refused =
            [json!(0), json!(-1), json!(4097), json!([0, 1]), json!([8]), json!([8, 8, 3]), json!("8"), json!(8.5)];
        for wrong in refused {
            assert!(serde_json::from_value::<ImageSize>(wrong.clone()).is_err(), "{wrong}");
        }
        assert_eq!(ImageSize::new(0, 1), None);
        assert!(ImageSize::new(4096, 1).is_some());
    }
}
