//! Mutations of any file: of bits, bytes and numbers; of JSON, also of whole values.

use serde_json::{Value as Json, json};
use trainyard::random::Stream;

/// Numbers at the edges of what types hold.
const EXTREMES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    0x7fff_ffff_ffff_ffff,
    1 << 63,
    u64::MAX - 7,
    u64::MAX,
];
/// The same as text, and what isn't one.
const TEXTS: [&str; 14] = [
    "0",
    "-1",
    "1e999",
    "-1e308",
    "5e-324",
    "0.1",
    "1000000000000000000",
    "18446744073709551615",
    "18446744073709551616",
    "NaN",
    "inf",
    "null",
    "\"\"",
    "",
];

/// A file that is like one of `seeds`.
pub fn mutant(seeds: &[Vec<u8>], stream: &mut Stream) -> Vec<u8> {
    let mut file = choose(seeds, stream).clone();
    if stream.below(2) == 0
        && let Ok(mut json) = serde_json::from_slice::<Json>(&file)
    {
        for _ in 0..=stream.below(2) {
            change_a_value(&mut json, stream);
        }
        return json.to_string().into_bytes();
    }
    for _ in 0..=stream.below(3) {
        change(&mut file, seeds, stream);
    }
    file
}

fn choose<'a, T>(all: &'a [T], stream: &mut Stream) -> &'a T {
    &all[stream.below(all.len() as u32) as usize]
}

/// A few bytes in a row, about as many as `size`.
fn part(length: usize, size: u32, stream: &mut Stream) -> std::ops::Range<usize> {
    let from = stream.below(length as u32 + 1) as usize;
    from..(from + stream.below(size) as usize).min(length)
}

fn change(file: &mut Vec<u8>, seeds: &[Vec<u8>], stream: &mut Stream) {
    // The beginning holds most of what decides.
    let length = if stream.below(2) == 0 { file.len().min(64) } else { file.len() };
    let at = part(length, 1, stream).start;
    match stream.below(9) {
        0 if !file.is_empty() => file[at.min(length - 1)] ^= 1 << stream.below(8),
        1 if !file.is_empty() => file[at.min(length - 1)] = stream.bits() as u8,
        2 => drop(file.drain(part(length, 64, stream))),
        3 => file.truncate(at),
        4 => {
            let other = choose(seeds, stream);
            let piece = other[part(other.len(), 400, stream)].to_vec();
            file.splice(at..at, piece);
        }
        5 => {
            let piece = file[part(length, 32, stream)].repeat(1 + stream.below(20) as usize);
            file.splice(at..at, piece);
        }
        6 => {
            let number = *choose(&EXTREMES, stream);
            let width = *choose(&[1, 2, 4, 8], stream);
            let big = number.to_be_bytes();
            let little = number.to_le_bytes();
            let number = if stream.below(2) == 0 { &big[8 - width..] } else { &little[..width] };
            let end = (at + width).min(file.len());
            file.splice(at..end, number.iter().copied());
        }
        _ => {
            // A number that is written out, where there is one behind.
            let is_digit = |byte: &u8| byte.is_ascii_digit();
            let start = file[at..].iter().position(is_digit).map_or(at, |behind| at + behind);
            let digits = file[start..].iter().take_while(|byte| is_digit(byte)).count();
            file.splice(start..start + digits, choose(&TEXTS, stream).bytes());
        }
    }
}

/// How many values there are within `json`, itself among them.
fn count(json: &Json) -> u32 {
    1 + match json {
        Json::Array(items) => items.iter().map(count).sum(),
        Json::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that is the `at`th of all within `json`.
fn nth(json: &mut Json, mut at: u32) -> Option<&mut Json> {
    if at == 0 {
        return Some(json);
    }
    at -= 1;
    let inner: Box<dyn Iterator<Item = &mut Json>> = match json {
        Json::Array(items) => Box::new(items.iter_mut()),
        Json::Object(entries) => Box::new(entries.values_mut()),
        _ => return None,
    };
    for value in inner {
        let size = count(value);
        if at < size {
            return nth(value, at);
        }
        at -= size;
    }
    None
}

fn change_a_value(json: &mut Json, stream: &mut Stream) {
    let whole = count(json);
    // What stands first is looked at most.
    let bound = if stream.below(2) == 0 { whole } else { whole.min(300) };
    let other = nth(json, stream.below(whole)).cloned().unwrap_or_default();
    let Some(value) = nth(json, stream.below(bound)) else { return };
    match (stream.below(4), &mut *value) {
        (0, Json::Array(items)) => items.truncate(stream.below(items.len() as u32 + 1) as usize),
        (1, Json::Array(items)) if !items.is_empty() => {
            let again = choose(items, stream).clone();
            let at = stream.below(items.len() as u32) as usize;
            items.splice(at..at, vec![again; 1 + stream.below(9) as usize]);
        }
        (0, Json::Object(entries)) if !entries.is_empty() => {
            let key = choose(&entries.keys().cloned().collect::<Vec<_>>(), stream).clone();
            entries.shift_remove(&key);
        }
        (1, Json::Object(entries)) => drop(entries.insert("<b>../\u{1b}[31m\u{202e}é".to_owned(), other)),
        (2, _) => *value = other,
        _ => {
            let numbers = [json!(-1), json!(0.5), json!(-1e308), json!(1e308), json!(5e-324), json!(1e18)];
            let texts = ["", "../../../../tmp/x", "<script>alert(1)</script>", "a\u{0}b\n\u{202e}", "NaN"];
            *value = match stream.below(5) {
                0 => json!(choose(&EXTREMES, stream)),
                1 => choose(&numbers, stream).clone(),
                2 => json!(choose(&texts, stream)),
                3 => choose(&[json!(null), json!(true), json!([]), json!({})], stream).clone(),
                _ => json!("long ".repeat(1 << stream.below(14))),
            };
        }
    }
}
