//! Protobuf's encoding, as far as event files need it.
//!
//! A message is a row of fields; each begins with a tag, `number << 3 | kind`, as a varint. See
//! <https://protobuf.dev/programming-guides/encoding/>.

/// Eight bytes of little endian.
const FIXED64: u32 = 1;
/// A length, and so many bytes.
const DELIMITED: u32 = 2;

/// An encoded message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// One without fields.
    pub fn new() -> Self {
        Message::default()
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, number: u32, kind: u32) {
        self.varint(u64::from(number << 3 | kind));
    }

    /// With an `int32`, `int64`, `bool` or `enum`.
    pub fn int(mut self, number: u32, value: i64) -> Self {
        self.tag(number, 0);
        // A negative one takes ten bytes, says protobuf.
        self.varint(value as u64);
        self
    }

    /// With a `double`.
    pub fn double(mut self, number: u32, value: f64) -> Self {
        self.tag(number, FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// With a `string`, `bytes`, or packed numbers.
    pub fn bytes(mut self, number: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(number, DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// With a message.
    pub fn message(self, number: u32, value: Message) -> Self {
        self.bytes(number, value.0)
    }

    /// With a message for each of `values`.
    pub fn messages(self, number: u32, values: impl IntoIterator<Item = Message>) -> Self {
        values.into_iter().fold(self, |all, value| all.message(number, value))
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    /// The examples of protobuf's own description.
    #[test]
    fn fields_are_encoded_as_protobuf_describes_it() {
        let encoded = |message: Message| message.into_bytes();
        assert_eq!(encoded(Message::new().int(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(encoded(Message::new().bytes(2, "testing")), *b"\x12\x07testing");
        assert_eq!(encoded(Message::new().message(3, Message::new().int(1, 150))), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let minus_two = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(encoded(Message::new().int(1, -2)), minus_two);
        assert_eq!(encoded(Message::new().double(1, 1.0)), [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        // A number of two bytes in the tag.
        assert_eq!(encoded(Message::new().int(16, 1)), [0x80, 0x01, 0x01]);
    }
}
