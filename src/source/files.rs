//! Image files that are read when they are needed.

use super::{
    Dataset, Declared, Examples, Form, ImageReader, Labels, Parts, Progress, Surroundings,
    image_file::{image_size, read_bounded},
    part::{SplitClasses, train_and_test},
};
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    memo::{Memo, Sum},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

/// An image file that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// What it is called, with `/` on every system.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Index of its class.
    pub label: u32,
    /// Its values in the columns that are kept beside.
    pub beside: Vec<Option<String>>,
}

/// Length and time of the last change: what tells that a file is another one than before.
type Stamp = (u64, Option<SystemTime>);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

/// The images of one split.
pub(super) struct Files {
    found: Vec<Found>,
    labels: Vec<u32>,
    /// Of each file, as it was when its digest was taken; or why it could not be read then.
    stamps: Vec<Result<Stamp>>,
    /// Names of the columns that are kept beside.
    columns: Vec<String>,
    reader: ImageReader,
}

impl Examples for Files {
    fn labels(&self) -> Labels<'_> {
        Labels::Classes(&self.labels)
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        let path = &self.found[index].path;
        let before = self.stamps[index].as_ref().map_err(Clone::clone)?;
        let now = path.metadata().map_err(|error| io_error("read", path, &error))?;
        if stamp(&now) != *before {
            let message = format!("{} was changed while the program was reading the data", path.display());
            return Err(Box::new(
                Diagnostic::error(Code::DATA_CHANGED, message).help("start again once nothing writes to it"),
            ));
        }
        into.copy_from_slice(&self.reader.read_file(path)?);
        Ok(())
    }

    fn describe(&self, index: usize) -> String {
        self.found[index].name.clone()
    }

    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>> {
        let at = self.columns.iter().position(|column| column == name);
        Ok(at.map(|at| self.found.iter().map(|found| found.beside[at].clone()).collect()))
    }

    fn stored_size(&self, index: usize) -> Option<[usize; 2]> {
        image_size(&read_bounded(&self.found[index].path).ok()?)
    }
}

/// The images of all splits.
pub(super) struct Splits {
    pub train: Vec<Found>,
    pub validation: Option<Vec<Found>>,
    /// Images, or the share of those for training.
    pub test: Result<Vec<Found>, f64>,
    /// Names of the columns that are kept beside.
    pub columns: Vec<String>,
}

impl Splits {
    /// What is known of them.
    pub fn declare(&self, reader: ImageReader, classes: &[String]) -> Declared {
        let labels = |found: &Vec<Found>| found.iter().map(|image| image.label).collect::<Vec<u32>>();
        let (train, validation, test) =
            (labels(&self.train), self.validation.as_ref().map(labels), self.test.as_ref().map(labels));
        let test = test.as_deref().map_err(|share| **share);
        let all = SplitClasses { train: &train, validation: validation.as_deref(), test };
        all.declare(Form::Image(reader.shape), classes)
    }
}

/// Data of image files, which lie at `location`. Their digest is over the classes, and of every image its name, its class and
/// its bytes.
///
/// # Errors
/// Where a file cannot be read, or the user wants to stop.
pub(super) fn open(
    kind: &str,
    location: String,
    classes: &[String],
    splits: Splits,
    reader: ImageReader,
    surroundings: &Surroundings<'_>,
) -> Result<Dataset> {
    let Splits { train, validation, test, columns } = splits;
    let total = [Some(&train), validation.as_ref(), test.as_ref().ok()].into_iter().flatten().map(Vec::len).sum();
    let (digest, memo) = (Parts::new(kind), Memo::of(Path::new(&location), &surroundings.cache_directory));
    let mut opening = Opening { digest, memo, done: AtomicUsize::new(0), total, columns, reader, surroundings };
    opening.digest.add_names(classes.iter());
    let add = || -> Result<_> {
        let train = opening.split("train", train)?;
        let validation = validation.map(|found| opening.split("validation", found)).transpose()?;
        let test = test.map(|found| opening.split("test", found));
        let test = match test {
            Ok(opened) => Ok(opened?),
            Err(share) => Err(share),
        };
        Ok((train_and_test(train, test), validation))
    };
    let added = add();
    (surroundings.progress)(Progress::ReadingDone);
    opening.memo.keep();
    let ((train, test), validation) = added?;
    let digest = opening.digest.finish();
    let dataset = Dataset::of_images(reader, classes.to_vec(), [train, test], location, digest);
    Ok(Dataset { validation, ..dataset })
}

/// The SHA-256 of a file, and its stamp.
type Hashed = Result<(Sum, Stamp)>;

/// Reads every file once, unless its digest is remembered.
struct Opening<'a> {
    digest: Parts,
    memo: Memo,
    done: AtomicUsize,
    total: usize,
    columns: Vec<String>,
    reader: ImageReader,
    surroundings: &'a Surroundings<'a>,
}

impl Opening<'_> {
    fn split(&mut self, name: &str, found: Vec<Found>) -> Result<Arc<dyn Examples>> {
        let hashes: Vec<Result<Hashed>> = found.par_iter().map(|image| self.hash(&image.path)).collect();
        self.digest.add(name.as_bytes());
        self.digest.add(&(found.len() as u64).to_le_bytes());
        let mut stamps = Vec::with_capacity(found.len());
        for (image, hash) in found.iter().zip(hashes) {
            let hashed = hash?;
            self.digest.add(image.name.as_bytes());
            self.digest.add(&image.label.to_le_bytes());
            self.digest.add(hashed.as_ref().map_or(&[], |(hash, _)| hash));
            stamps.push(hashed.map(|(_, stamp)| stamp));
        }
        let labels = found.iter().map(|image| image.label).collect();
        Ok(Arc::new(Files { found, labels, stamps, columns: self.columns.clone(), reader: self.reader }))
    }

    /// A file that cannot be read fails only where it is used: it may be one to leave out.
    fn hash(&self, path: &Path) -> Result<Hashed> {
        if self.surroundings.stop.load(Ordering::Relaxed) {
            return Err(Box::new(Diagnostic::error(Code::IO, "reading the images was interrupted")));
        }
        // The time first: a change behind it is seen later on.
        let metadata = path.metadata().map_err(|error| io_error("read", path, &error));
        let take = || -> Result<Sum> { Ok(Sha256::digest(read_bounded(path)?).into()) };
        let hashed = metadata.and_then(|metadata| match metadata.is_file() {
            true => Ok((self.memo.sum(path, take)?, stamp(&metadata))),
            // A pipe would be waited for, and a device may never end.
            false => Err(Box::new(Diagnostic::error(Code::BAD_IMAGE, format!("{} is no file", path.display())))),
        });
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(256) || done == self.total {
            let (done, total) = (done as u64, self.total as u64);
            (self.surroundings.progress)(Progress::Reading { what: "images".to_owned(), done, total });
        }
        Ok(hashed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Interpolation, tests::surrounded};
    use image::{ImageBuffer, Luma};
    use std::time::Duration;

    #[test]
    fn a_file_that_changes_meanwhile_is_named_and_one_that_is_missing_fails_where_it_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let found = |name: &str| Found { name: name.to_owned(), path: place(name), label: 0, beside: Vec::new() };
        for name in ["a.png", "b.png"] {
            ImageBuffer::from_pixel(1, 1, Luma([7u8])).save(place(name)).unwrap();
        }
        let train = vec![found("a.png"), found("b.png"), found("c.png")];
        let splits = Splits { train, validation: None, test: Err(0.1), columns: Vec::new() };
        let reader = ImageReader::stretching([1, 1, 1], Interpolation::Nearest);
        let data = surrounded(None, directory.path().to_owned(), |around| {
            open("test", String::new(), &["one".to_owned()], splits, reader, around).unwrap()
        });
        let read = |index| {
            let mut example = [0];
            data.train.read(index, &mut example).map(|()| example[0])
        };
        let outcomes = |data: &Dataset| -> Vec<String> {
            let name = |index| data.train.describe(index);
            let told =
                |index| read(index).map_or_else(|problem| problem.code.name().to_owned(), |value| value.to_string());
            (0..data.train.len()).map(|index| format!("{} {}", name(index), told(index))).collect()
        };
        assert_eq!(outcomes(&data), ["a.png 7", "b.png 7", "c.png io"]);
        ImageBuffer::from_pixel(1, 1, Luma([9u8])).save(place("a.png")).unwrap();
        let later = SystemTime::now() + Duration::from_secs(9);
        std::fs::File::options().write(true).open(place("a.png")).unwrap().set_modified(later).unwrap();
        assert_eq!(outcomes(&data), ["a.png data-changed", "b.png 7", "c.png io"]);
    }
}
