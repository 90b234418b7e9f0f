//! Where something was written: a range of bytes in a file or in a command-line flag.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names one text in a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(usize);

/// A range of bytes in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The text it lies in.
    pub text: TextId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Where to point for a value: its place and, where it came through an alias, the alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Where it was written.
    pub place: Place,
    /// The outermost alias or merge key that brought it to where it counts.
    pub via: Option<Place>,
}

impl From<Place> for Spot {
    fn from(place: Place) -> Self {
        Spot { place, via: None }
    }
}

/// One text that values were read from.
#[derive(Debug)]
pub struct Text {
    /// What a message calls it: the path as the user gave it, or `--set`.
    pub name: String,
    /// The file it came from; `None` for a flag.
    pub path: Option<PathBuf>,
    /// All of it, in UTF-8, without a byte-order mark.
    pub content: Arc<str>,
}

/// All texts of one load.
#[derive(Debug, Default)]
pub struct SourceMap {
    texts: Vec<Text>,
}

impl SourceMap {
    /// Adds a file's text.
    pub fn add_file(&mut self, path: &Path, content: impl Into<Arc<str>>) -> TextId {
        self.add(Text { name: path.display().to_string(), path: Some(path.to_owned()), content: content.into() })
    }

    /// Adds the text of a command-line flag, such as `training.epochs=5` of `--set`.
    pub fn add_flag(&mut self, flag: &str, content: impl Into<Arc<str>>) -> TextId {
        self.add(Text { name: flag.to_owned(), path: None, content: content.into() })
    }

    fn add(&mut self, text: Text) -> TextId {
        self.texts.push(text);
        TextId(self.texts.len() - 1)
    }

    /// Calls files below `directory` by their path from there.
    pub fn call_relative_to(&mut self, directory: &Path) {
        for text in &mut self.texts {
            if let Some(inner) = text.path.as_deref().and_then(|path| path.strip_prefix(directory).ok()) {
                text.name = inner.display().to_string();
            }
        }
    }

    /// The text that `id` names.
    pub fn text(&self, id: TextId) -> &Text {
        &self.texts[id.0]
    }

    /// Every text, in the order they were read.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter()
    }

    /// The line of `place`, from 1.
    pub fn line(&self, place: Place) -> usize {
        let content = &self.text(place.text).content;
        content[..place.start.min(content.len())].matches('\n').count() + 1
    }

    /// What was written at `place`.
    pub fn snippet(&self, place: Place) -> &str {
        &self.text(place.text).content[place.start..place.end]
    }
}
