//! JSON as people like to see it in a change of a committed file: plain values of a list side by side.

use serde::Serialize;
use serde_json::Value as Json;

/// How many values stand on a line.
const ON_A_LINE: usize = 8;

/// `value` as JSON with a newline at its end.
pub fn pretty<T: Serialize>(value: &T) -> String {
    // Written first and read again, a float32 stands there with its own digits.
    let text = serde_json::to_string(value).expect("a lock is plain data");
    let value: Json = serde_json::from_str(&text).expect("it was written just now");
    let mut text = String::new();
    write(&value, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Json, indent: usize, text: &mut String) {
    let is_plain = |value: &Json| !value.is_object() && !value.is_array();
    let line = |text: &mut String, indent: usize| text.push_str(&format!("\n{:indent$}", ""));
    match value {
        Json::Object(map) if !map.is_empty() => {
            text.push('{');
            for (at, (key, inner)) in map.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                line(text, indent + 2);
                text.push_str(&format!("{}: ", Json::String(key.clone())));
                write(inner, indent + 2, text);
            }
            line(text, indent);
            text.push('}');
        }
        Json::Array(items) if items.iter().all(is_plain) && items.len() <= ON_A_LINE => {
            let items: Vec<String> = items.iter().map(Json::to_string).collect();
            text.push_str(&format!("[{}]", items.join(", ")));
        }
        Json::Array(items) => {
            text.push('[');
            let together = if items.iter().all(is_plain) { ON_A_LINE } else { 1 };
            for (at, item) in items.iter().enumerate() {
                match at % together {
                    0 => {
                        text.push_str(if at == 0 { "" } else { "," });
                        line(text, indent + 2);
                    }
                    _ => text.push_str(", "),
                }
                write(item, indent + 2, text);
            }
            line(text, indent);
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::pretty;
    use serde_json::json;

    #[test]
    fn numbers_stand_side_by_side() {
        let value = json!({ "a": (0..10).collect::<Vec<_>>(), "b": [], "c": [{ "d": [1] }], "e": {} });
        let wanted = "{\n  \"a\": [\n    0, 1, 2, 3, 4, 5, 6, 7,\n    8, 9\n  ],\n  \"b\": [],\n  \"c\": [\n    {\n      \"d\": \
                      [1]\n    }\n  ],\n  \"e\": {}\n}\n";
        assert_eq!(pretty(&value), wanted);
        assert_eq!(pretty(&[0.1_f32, 2.3]), "[0.1, 2.3]\n");
    }
}
