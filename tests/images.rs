//! Odd and broken image files, made by `tests/images/generate.py`: what they must decode to, and what is said of them.

use serde_json::Value;
use std::path::{Path, PathBuf};
use trainyard::source::{ImageReader, Interpolation};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images")
}

fn expected(kind: &str) -> Vec<(PathBuf, Value)> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let entries = all[kind].as_object().unwrap();
    assert_eq!(entries.len(), folder().join(kind).read_dir().unwrap().count(), "a file without an expectation");
    entries.iter().map(|(name, value)| (folder().join(kind).join(name), value.clone())).collect()
}

fn reader(shape: [usize; 3]) -> ImageReader {
    ImageReader::stretching(shape, Interpolation::Bilinear)
}

#[test]
fn odd_images_are_decoded_as_pillow_decodes_them() {
    for (path, entry) in expected("good") {
        let what = format!("{} ({})", path.display(), entry["what"]);
        let numbers = |key: &str| entry[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
        let shape: Vec<usize> = numbers("shape").collect();
        let got =
            reader(shape.try_into().unwrap()).read_file(&path).unwrap_or_else(|problem| panic!("{what}: {problem}"));
        let worst = got.iter().zip(numbers("data")).map(|(got, want)| usize::from(*got).abs_diff(want)).max().unwrap();
        let allowed = entry["tolerance"].as_u64().unwrap() as usize;
        assert!(got.len() == numbers("data").count() && worst <= allowed, "{what}: {worst} levels apart");
    }
}

#[test]
fn broken_images_are_refused_with_a_reason() {
    let (mut refused, mut wrong) = (0, Vec::new());
    for (path, entry) in expected("broken") {
        let what = format!("{} ({})", path.display(), entry["what"]);
        let result = reader([4, 4, 3]).read_file(&path);
        if entry["unsure"] == true {
            // Pillow takes them, too: the decoders make up what is missing.
            assert!(result.is_ok(), "{what}: refused after all; expected.json says otherwise");
            continue;
        }
        let problem = result.expect_err(&what);
        assert_eq!(problem.code.name(), "bad-image");
        let reason = problem.message.split_once(": ").unwrap_or_else(|| panic!("{what}: {problem}")).1;
        let words: &[&str] = match entry["reason"].as_str().unwrap() {
            "empty" => &["the file is empty"],
            "no image" => &["it is no JPEG, PNG, WebP or BMP image"],
            "too large" => &["it is larger than 16384 pixels a side or 512 MiB in memory"],
            "truncated" => &["the file ends before the image does"],
            "corrupt" => &["its data are damaged"],
            other => panic!("{what}: unknown reason {other}"),
        };
        if !words.iter().any(|words| reason.contains(words)) {
            wrong.push(format!("{what}: expected {words:?}, and it is said: {reason}"));
        }
        refused += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 80);
}
