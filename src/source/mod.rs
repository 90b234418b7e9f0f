//! Where examples come from: an embedded, downloaded or local data set, all of one [`Form`].
//!
//! A source fixes the size of its examples and nothing else about them: the values of images stay 0 to 255 as they were
//! stored, in the order height, width, channel; the numbers of a table stay what they are.

mod cifar;
pub mod download;
mod files;
mod form;
mod given;
mod idx;
pub mod image_file;
pub mod image_size;
mod labels;
mod part;
mod place;
mod rows;
mod split;

pub use download::{Download, fetch};
pub use form::Form;
pub use given::GivenImages;
pub use image_file::{ColorMode, DECODING, ImageReader, Interpolation, Resize};
pub use image_size::ImageSize;
pub use labels::Labels;
pub use part::TestPart;
pub use split::{Subset, fold, stratified};

use crate::{diagnostic::Result, family, task::Task, text::hexadecimal};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

/// What is known of a source's data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// What every example is.
    pub form: Option<Form>,
    /// How many classes there are.
    pub classes: Option<usize>,
    /// Their names, in the order of their labels.
    pub names: Option<Vec<String>>,
    /// How many examples there are for training.
    pub train: Option<usize>,
    /// How many examples the source itself has for validation; nothing where it has no such split.
    pub validation: Option<usize>,
    /// How many examples there are for testing.
    pub test: Option<usize>,
    /// What the numbers of an example are called, where they are features of a table.
    pub features: Option<Vec<String>>,
    /// Splits without an example of a class: the split's name, and the class's.
    pub absent: Vec<(&'static str, String)>,
}

impl Declared {
    /// Nothing is known but that there are images of this shape.
    fn of_images(shape: [usize; 3]) -> Self {
        Declared { form: Some(Form::Image(shape)), ..Declared::default() }
    }
}

/// What a source needs of the program around it.
pub struct Surroundings<'a> {
    /// The user's directory for data, where one was named.
    pub data_directory: Option<PathBuf>,
    /// Where downloads are kept otherwise.
    pub cache_directory: PathBuf,
    /// Hears how far reading and downloading have come; called from several threads.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Once true, whatever takes long ends soon, with an error.
    pub stop: &'a AtomicBool,
}

/// How far something has come that takes long.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A download is under way.
    Download {
        /// What is downloaded.
        what: String,
        /// Bytes that have come.
        done: u64,
        /// Bytes in all, where the server says it.
        total: Option<u64>,
    },
    /// The download has ended, well or not.
    DownloadDone,
    /// Files are read, for their digest.
    Reading {
        /// What is read.
        what: String,
        /// Files that were read.
        done: u64,
        /// Files in all.
        total: u64,
    },
    /// Reading has ended, well or not.
    ReadingDone,
}

impl Surroundings<'_> {
    /// Where downloads are kept.
    fn keep(&self) -> &Path {
        self.data_directory.as_deref().unwrap_or(&self.cache_directory)
    }

    /// The user's directory for what can be fetched again: `$XDG_CACHE_HOME/trainyard`, else `~/.cache/trainyard`, on
    /// macOS `~/Library/Caches/trainyard`.
    pub fn default_cache_directory() -> PathBuf {
        cache_directory(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), std::env::home_dir())
    }
}

fn cache_directory(xdg: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    // A relative path there is to be ignored, says the specification.
    let base = xdg.filter(|path| path.is_absolute()).unwrap_or_else(|| {
        let below = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        home.filter(|path| path.is_absolute()).unwrap_or_default().join(below)
    });
    base.join("trainyard")
}

/// The examples of one split, in a fixed order.
pub trait Examples: Send + Sync {
    /// What is to be predicted of every example.
    fn labels(&self) -> Labels<'_>;

    /// How many there are.
    fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads one example, as many bytes as its [`Form`] has.
    ///
    /// # Errors
    /// Where it cannot be read or decoded.
    ///
    /// # Panics
    /// Where there is no such example, or `into` hasn't the size of one.
    fn read(&self, index: usize, into: &mut [u8]) -> Result<()>;

    /// Whether reading costs no more than copying.
    fn in_memory(&self) -> bool {
        false
    }

    /// The bytes of an example, where they lie in memory just as they are read.
    fn bytes(&self, _index: usize) -> Option<&[u8]> {
        None
    }

    /// Whether every example is known to be readable.
    fn is_sound(&self) -> bool {
        self.in_memory()
    }

    /// What people call an example, such as the path of its file; where it has no name, its number.
    fn describe(&self, index: usize) -> String {
        index.to_string()
    }

    /// Height and width of an image as it was stored; nothing where examples are stored as they are read.
    fn stored_size(&self, _index: usize) -> Option<[usize; 2]> {
        None
    }

    /// What the source says of every example in a column beside the image and its class; nothing where it keeps no such column.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn column(&self, _name: &str) -> Result<Option<Vec<Option<String>>>> {
        Ok(None)
    }

    /// Hands out the index of every example within what these are a part of, where they are a part of something.
    fn identify(&self, _: &mut dyn FnMut(usize)) {}
}

/// An opened source.
pub struct Dataset {
    /// Class names, in the order of their labels.
    pub classes: Vec<String>,
    /// What the number is called that is to be predicted; nothing where examples are of classes.
    pub target: Option<String>,
    /// What every example is.
    pub form: Form,
    /// What the numbers of an example are called, where they are features of a table.
    pub features: Vec<String>,
    /// For training.
    pub train: Arc<dyn Examples>,
    /// For validation, where the source itself has a split for it.
    pub validation: Option<Arc<dyn Examples>>,
    /// For testing.
    pub test: Arc<dyn Examples>,
    /// Where it was found, for people.
    pub location: String,
    /// SHA-256, in hexadecimal, over the source's bytes, labels and relative paths.
    pub digest: String,
    /// Turns any image file into an example, just as the source does; nothing where examples are no images.
    pub reader: Option<ImageReader>,
}

impl Dataset {
    /// Images of the splits for training and for testing.
    fn of_images(
        reader: ImageReader,
        classes: Vec<String>,
        [train, test]: [Arc<dyn Examples>; 2],
        location: String,
        digest: String,
    ) -> Self {
        let form = Form::Image(reader.shape);
        Dataset {
            classes,
            target: None,
            form,
            features: Vec::new(),
            train,
            validation: None,
            test,
            location,
            digest,
            reader: Some(reader),
        }
    }

    /// The splits by name, in the order in which they are told.
    pub fn splits(&self) -> Vec<(&'static str, &Arc<dyn Examples>)> {
        let mut all = vec![("train", &self.train)];
        all.extend(self.validation.as_ref().map(|examples| ("validation", examples)));
        all.push(("test", &self.test));
        all
    }

    /// How many of `examples` each class has, in the order of the classes.
    pub fn class_counts(&self, examples: &dyn Examples) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        examples.labels().classes().iter().for_each(|&label| counts[label as usize] += 1);
        counts
    }
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset")
            .field("location", &self.location)
            .field("classes", &self.classes)
            .field("train", &self.train.len())
            .field("test", &self.test.len())
            .finish_non_exhaustive()
    }
}

/// What the sources share.
pub trait SourceDefinition {
    /// What is known without looking.
    fn declare(&self) -> Declared;

    /// What is to be predicted.
    fn task(&self) -> Task {
        Task::Classification
    }

    /// Turns image files into examples as the source does; nothing where examples are no images.
    fn reader(&self) -> Option<ImageReader>;

    /// The columns beside image and class that it keeps, for the evaluation.
    fn columns(&self) -> &[String] {
        &[]
    }

    /// Finds the data, or fetches them, and reads what has to be read.
    ///
    /// # Errors
    /// Where they aren't there and cannot be fetched, or aren't what they should be.
    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset>;

    /// What listing and headers tell: nothing is downloaded, no image is read.
    ///
    /// # Errors
    /// Where local data are missing or incomplete. What could be downloaded isn't missing.
    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared>;
}

family! {
    /// Where examples come from.
    pub enum Source("source"): SourceDefinition {
        digits::Digits,
        mnist::Mnist,
        fashion_mnist::FashionMnist,
        cifar10::Cifar10,
        cifar100::Cifar100,
        synthetic::Synthetic,
        image_folder::ImageFolder,
        image_csv::ImageCsv,
        parquet::Parquet,
        table::Table,
    }
}

/// Examples that are held in memory.
struct Held {
    labels: Vec<u32>,
    /// `[example, height, width, channel]`.
    values: Vec<u8>,
    /// Values of one example.
    size: usize,
}

impl Examples for Held {
    fn labels(&self) -> Labels<'_> {
        Labels::Classes(&self.labels)
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        into.copy_from_slice(&self.values[index * self.size..(index + 1) * self.size]);
        Ok(())
    }

    fn bytes(&self, index: usize) -> Option<&[u8]> {
        Some(&self.values[index * self.size..(index + 1) * self.size])
    }

    fn in_memory(&self) -> bool {
        true
    }
}

/// A digest over named parts, none of which can pass for another.
struct Parts(Sha256);

impl Parts {
    fn new(kind: &str) -> Self {
        let mut parts = Parts(Sha256::new());
        parts.add(kind.as_bytes());
        parts
    }

    /// Adds a part, with its length.
    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Adds names, and how many there are.
    fn add_names<'a>(&mut self, names: impl ExactSizeIterator<Item = &'a String>) {
        self.add(&(names.len() as u64).to_le_bytes());
        names.for_each(|name| self.add(name.as_bytes()));
    }

    fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `test` with surroundings whose cache is `cache`.
    pub(super) fn surrounded<T>(data: Option<PathBuf>, cache: PathBuf, test: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let stop = AtomicBool::new(false);
        test(&Surroundings { data_directory: data, cache_directory: cache, progress: &|_| (), stop: &stop })
    }

    /// A complaint with its notes and help, as one text.
    pub(super) fn wording(complaint: &crate::diagnostic::Diagnostic) -> String {
        let mut lines = vec![format!("[{}] {}", complaint.code.name(), complaint.message)];
        lines.extend(complaint.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(complaint.help.iter().map(|help| format!("help: {help}")));
        lines.join("\n")
    }

    #[test]
    fn documented_examples_are_sources() {
        let examples = crate::family::examples::<Source>();
        for name in Source::NAMES {
            assert!(examples.iter().any(|(of, _)| of == name), "{name} documents no example");
        }
        for (name, example) in examples {
            let source: Source = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{example}: {e}"));
            assert_eq!(source.name(), name);
            let again = serde_json::to_value(&source).unwrap();
            assert_eq!(serde_json::from_value::<Source>(again).unwrap(), source);
            // Of a table only the data tell the form.
            let form = source.declare().form;
            assert_eq!(source.reader().map(|reader| Form::Image(reader.shape)), form);
            assert!(form.is_none_or(|form| form.bytes() > 0));
        }
    }

    #[test]
    fn the_cache_lies_in_the_users_directory() {
        let home = Some(PathBuf::from("/home/ann"));
        assert_eq!(cache_directory(Some("/var/c".into()), home.clone()), PathBuf::from("/var/c/trainyard"));
        let default = cache_directory(None, home.clone());
        assert!(default.starts_with("/home/ann") && default.ends_with("trainyard"));
        assert_eq!(cache_directory(Some("relative".into()), home), default);
        assert!(cache_directory(None, None).ends_with("trainyard"));
    }

    #[test]
    fn parts_of_a_digest_cannot_be_shifted() {
        let digest = |parts: &[&str]| {
            let mut all = Parts::new("test");
            parts.iter().for_each(|part| all.add(part.as_bytes()));
            all.finish()
        };
        assert_eq!(digest(&["ab", "c"]).len(), 64);
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["ab"]), digest(&["ab", ""]));
    }
}
