//! Where the files of a source lie.

use super::Surroundings;
use crate::diagnostic::{Code, Diagnostic, Result};
use std::path::{Path, PathBuf};

/// The places that `path` may mean, in the order of looking.
fn places(path: &Path, surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
    let below_data = surroundings.data_directory.as_ref().filter(|_| path.is_relative()).map(|data| data.join(path));
    below_data.into_iter().chain([path.to_owned()]).collect()
}

fn not_found(message: String, path: &Path, places: &[PathBuf]) -> Box<Diagnostic> {
    let mut complaint = Diagnostic::error(Code::DATA_NOT_FOUND, message);
    if path.is_relative() {
        let whole = |place: &PathBuf| std::path::absolute(place).unwrap_or(place.clone()).display().to_string();
        let looked: Vec<String> = places.iter().map(whole).collect();
        complaint = complaint.fact(format!("looked for {}", looked.join(" and ")));
    }
    Box::new(complaint.help(
        "a relative path starts at the data directory (--data-dir, TRAINYARD_DATA) where one is named, \
         else at the current directory",
    ))
}

/// The folder that `path` means.
///
/// # Errors
/// Where there is none.
pub(super) fn folder(path: &Path, surroundings: &Surroundings<'_>) -> Result<PathBuf> {
    let places = places(path, surroundings);
    if let Some(place) = places.iter().find(|place| place.is_dir()) {
        return Ok(place.clone());
    }
    let what = if places.iter().any(|place| place.exists()) { "is no folder" } else { "doesn't exist" };
    Err(not_found(format!("the folder {} {what}", path.display()), path, &places))
}

/// The files that `pattern` means, sorted by name: a file, or all that a pattern such as `train-*.parquet` fits.
///
/// # Errors
/// Where there is none, or it isn't a pattern.
pub(super) fn files(pattern: &str, surroundings: &Surroundings<'_>) -> Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    let places = places(path, surroundings);
    for place in &places {
        if place.is_file() {
            return Ok(vec![place.clone()]);
        }
        if !pattern.contains(['*', '?', '[']) {
            continue;
        }
        // Only what the user wrote is a pattern; the data directory is a plain path.
        let before = place.to_str().and_then(|place| place.strip_suffix(pattern)).unwrap_or_default();
        let found = glob::glob(&format!("{}{pattern}", glob::Pattern::escape(before))).map_err(|error| {
            let message = format!("`{pattern}` is no pattern for files: {}", error.msg.to_lowercase());
            Box::new(Diagnostic::error(Code::DATA_NOT_FOUND, message))
        })?;
        let mut files: Vec<PathBuf> = found.flatten().filter(|path| path.is_file()).collect();
        if !files.is_empty() {
            files.sort();
            return Ok(files);
        }
    }
    let what = if places.iter().any(|place| place.is_dir()) { "is a folder" } else { "doesn't exist" };
    Err(not_found(format!("the file {pattern} {what}"), path, &places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::surrounded;
    use std::fs;

    #[test]
    fn a_relative_path_falls_back_to_the_current_directory() {
        let directory = tempfile::tempdir().unwrap();
        surrounded(Some(directory.path().to_owned()), "cache".into(), |around| {
            assert_eq!(folder(Path::new("src"), around).unwrap(), Path::new("src"));
            fs::create_dir(directory.path().join("src")).unwrap();
            assert_eq!(folder(Path::new("src"), around).unwrap(), directory.path().join("src"));
        });
    }

    #[test]
    fn a_pattern_means_all_that_it_fits() {
        let directory = tempfile::Builder::new().prefix("data[1]").tempdir().unwrap();
        for name in ["b-2.csv", "b-1.csv", "c.csv", "odd[1].csv"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        surrounded(Some(directory.path().to_owned()), "cache".into(), |around| {
            let names = |pattern| {
                let found = files(pattern, around)?;
                Ok(found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>())
            };
            let names = |pattern| -> Result<Vec<String>> { names(pattern) };
            assert_eq!(names("b-*.csv").unwrap(), ["b-1.csv", "b-2.csv"]);
            assert_eq!(names("odd[1].csv").unwrap(), ["odd[1].csv"]);
            assert_eq!(names("d-*.csv").unwrap_err().message, "the file d-*.csv doesn't exist");
            assert!(names("b-***.csv").unwrap_err().message.contains("is no pattern"));
        });
    }
}
