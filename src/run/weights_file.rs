//! Files of weights, which may be anybody's: refused by their size before they are read, and with the tensor's name where
//! their parts contradict each other.

use crate::text::{bytes, printable};
use serde_json::Value as Json;
use std::{fs::File, io::Read, path::Path};

/// Bytes of a header, for each tensor and besides.
const HEADER_OF_A_TENSOR: u64 = 4096;
const HEADER: u64 = 1 << 20;
/// Bytes of a file that isn't ours, and of its header.
const MOST_BYTES: u64 = 16 << 30;
const MOST_HEADER_BYTES: u64 = 100 << 20;
/// What isn't a tensor in a header.
const METADATA: &str = "__metadata__";
/// Characters of a name that messages show.
const MOST_CHARACTERS: usize = 80;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its name there.
    pub name: String,
    /// Its kind of numbers, as safetensors writes it: `F32`.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<i64>,
}

/// All of the file, which is to hold so many tensors of so many bytes together.
///
/// # Errors
/// The outer one where it cannot be read; the inner one says why it is none of ours.
pub fn read(file: &Path, tensors: usize, tensor_bytes: u64) -> std::io::Result<Result<Vec<u8>, String>> {
    let most = tensor_bytes + HEADER + tensors as u64 * HEADER_OF_A_TENSOR;
    let needed = bytes(tensor_bytes);
    read_up_to(file, most, |size| format!("it has {size}, and the model's weights take {needed}"))
}

/// All of a file of weights that may be another model's.
///
/// # Errors
/// As [`read`].
pub fn read_any(file: &Path) -> std::io::Result<Result<Vec<u8>, String>> {
    read_up_to(file, MOST_BYTES, |size| format!("it has {size}, more than any model here"))
}

/// The names, kinds of numbers and shapes of its tensors, without the numbers.
///
/// # Errors
/// As [`read`].
pub fn header(file: &Path) -> std::io::Result<Result<Vec<Stored>, String>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err("it is no plain file".to_owned()));
    }
    let mut start = Vec::new();
    let mut opened = File::open(file)?;
    (&mut opened).take(9).read_to_end(&mut start)?;
    if let Some(foreign) = foreign(&start) {
        return Ok(Err(foreign.to_owned()));
    }
    let Some((length, first)) = start.split_first_chunk() else { return Ok(Err(fault(&start))) };
    let length = u64::from_le_bytes(*length);
    if length > MOST_HEADER_BYTES || length > metadata.len() {
        return Ok(Err(format!("its header is to have {length} bytes, and the file has {}", metadata.len())));
    }
    let mut header = first.to_vec();
    opened.take(length.saturating_sub(first.len() as u64)).read_to_end(&mut header)?;
    let Ok(Json::Object(header)) = serde_json::from_slice(&header) else {
        return Ok(Err("it is no safetensors file: its header is no JSON object".to_owned()));
    };
    let tensors = header.iter().filter(|(name, _)| *name != METADATA);
    let shape = |tensor: &Json| tensor["shape"].as_array()?.iter().map(Json::as_i64).collect::<Option<Vec<i64>>>();
    let described = tensors.map(|(name, tensor)| match (tensor["dtype"].as_str(), shape(tensor)) {
        (Some(dtype), Some(shape)) => Ok(Stored { name: name.clone(), dtype: dtype.to_owned(), shape }),
        _ => Err(format!("`{}` has no sound shape", printable(name))),
    });
    Ok(described.collect())
}

fn read_up_to(
    file: &Path,
    most: u64,
    too_large: impl Fn(String) -> String,
) -> std::io::Result<Result<Vec<u8>, String>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err("it is no plain file".to_owned()));
    }
    let mut content = File::open(file)?.take(most + 1);
    let mut start = Vec::new();
    (&mut content).take(9).read_to_end(&mut start)?;
    if let Some(foreign) = foreign(&start) {
        return Ok(Err(foreign.to_owned()));
    }
    let mut all = start;
    if metadata.len() <= most {
        content.read_to_end(&mut all)?;
    }
    let size = metadata.len().max(all.len() as u64);
    Ok(if size > most { Err(too_large(bytes(size))) } else { Ok(all) })
}

/// What a file is that begins so and whose content could be a program.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        // The length of a header may begin with the same bytes.
        [.., b'{'] if start.len() == 9 => None,
        [0x80, 0..=5, ..] => {
            Some("it is a pickle, as PyTorch wrote them once: it could run any program, and isn't read")
        }
        [b'P', b'K', 3 | 5 | 7, ..] => Some(
            "it is a zip archive, as `torch.save` writes them: it holds a pickle, which could run any program, and isn't read",
        ),
        _ => None,
    }
}

/// Why `file`, which isn't sound, isn't.
pub fn fault(file: &[u8]) -> String {
    contradiction(file).unwrap_or_else(|| "it is no sound safetensors file".to_owned())
}

fn contradiction(file: &[u8]) -> Option<String> {
    let Some((length, rest)) = file.split_first_chunk() else {
        return Some(format!("it is no safetensors file: it has only {} bytes", file.len()));
    };
    let length = u64::from_le_bytes(*length);
    let Some((header, data)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
        return Some(format!("its header is to have {length} bytes, and the file has {}", file.len()));
    };
    let Ok(Json::Object(header)) = serde_json::from_slice(header) else {
        return Some("it is no safetensors file: its header is no JSON object".to_owned());
    };
    let mut places = Vec::new();
    for (name, tensor) in header.iter().filter(|(name, _)| *name != METADATA) {
        let shown: String = printable(name).chars().take(MOST_CHARACTERS).collect();
        let numbers = |key: &str| tensor[key].as_array()?.iter().map(Json::as_u64).collect::<Option<Vec<u64>>>();
        let Some([begin, end]) = numbers("data_offsets").and_then(|offsets| <[u64; 2]>::try_from(offsets).ok()) else {
            return Some(format!("`{shown}` has no sound place"));
        };
        if begin > end || end > data.len() as u64 {
            return Some(format!("`{shown}` is to lie at {begin} to {end}, and the weights have {} bytes", data.len()));
        }
        let size = numbers("shape").and_then(|shape| shape.iter().try_fold(4u64, |size, side| size.checked_mul(*side)));
        if tensor["dtype"] == "F32" && size != Some(end - begin) {
            return Some(format!("`{shown}` has {} bytes, which its shape doesn't take", end - begin));
        }
        places.push((begin, end, shown));
    }
    places.sort();
    let mut free = 0;
    for (begin, end, name) in places {
        if begin != free {
            let what = if begin < free { "lies over another tensor" } else { "doesn't follow on the tensor before it" };
            return Some(format!("`{name}` {what}"));
        }
        free = end;
    }
    (free < data.len() as u64).then(|| format!("its last {} bytes belong to no tensor", data.len() as u64 - free))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        let tensor = |name: &str, shape: &str, from: &str, to: &str| {
            format!(r#""{name}":{{"dtype":"F32","shape":[{shape}],"data_offsets":[{from},{to}]}}"#)
        };
        let two = |a: String, b: String| format!("{{{a},{b}}}");
        let of = |header: String| fault(&file(&header, 8));
        let a = || tensor("a", "1", "0", "4");
        assert_eq!(of(two(a(), tensor("b", "1", "0", "4"))), "`b` lies over another tensor");
        assert_eq!(of(two(a(), tensor("b", "0", "5", "5"))), "`b` doesn't follow on the tensor before it");
        assert_eq!(of(two(a(), tensor("b", "1", "-4", "0"))), "`b` has no sound place");
        assert_eq!(of(two(a(), tensor("b", "1", "4", "1e30"))), "`b` has no sound place");
        assert_eq!(of(two(a(), tensor("b", "1", "8", "4"))), "`b` is to lie at 8 to 4, and the weights have 8 bytes");
        let far = tensor("b", "1", "9223372036854775808", "9223372036854775812");
        assert!(of(two(a(), far)).starts_with("`b` is to lie at 9223372036854775808"));
        assert_eq!(of(two(a(), tensor("b", "2", "4", "8"))), "`b` has 4 bytes, which its shape doesn't take");
        let huge = tensor("b", "4294967296,4294967296,4294967296", "4", "8");
        assert_eq!(of(two(a(), huge)), "`b` has 4 bytes, which its shape doesn't take");
        assert_eq!(of(format!("{{{}}}", a())), "its last 4 bytes belong to no tensor");
        assert!(of(two(a(), tensor(&"x\\u001b".repeat(99), "1", "0", "4"))).chars().count() < 120);
        assert_eq!(of(String::new()), "it is no safetensors file: its header is no JSON object");
        assert_eq!(of("[".repeat(1 << 16)), "it is no safetensors file: its header is no JSON object");
        let claims = [&(1u64 << 63).to_le_bytes()[..], b"{}"].concat();
        assert_eq!(fault(&claims), "its header is to have 9223372036854775808 bytes, and the file has 10");
        assert_eq!(fault(b"abc"), "it is no safetensors file: it has only 3 bytes");
    }

    #[test]
    fn pickles_and_files_that_are_too_large_are_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.safetensors");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path, 1, 8).unwrap().unwrap_err()
        };
        assert!(refused(b"\x80\x02}q\x00.").starts_with("it is a pickle"));
        assert!(refused(b"PK\x03\x04and the rest").starts_with("it is a zip archive"));
        let header = format!("{{{}}}", " ".repeat(0x280 - 2));
        std::fs::write(&path, file(&header, 0)).unwrap();
        assert!(read(&path, 1, 8).unwrap().is_ok(), "its length begins like a pickle");
        // Of a file with a hole of a terabyte nothing is read.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, 1, 8).unwrap().unwrap_err(), "it has 1.0 TiB, and the model's weights take 8 B");
        std::fs::write(&path, file("{}", 0)).unwrap();
        assert_eq!(read(&path, 1, 8).unwrap().unwrap(), file("{}", 0));
        assert_eq!(read(place.path(), 1, 8).unwrap().unwrap_err(), "it is no plain file");
        assert!(read(&place.path().join("none"), 1, 8).is_err());
    }
}
