//! Edits of a text that know afterwards which lines they touched.

use std::ops::{Range, RangeInclusive};

/// Some bytes of a text, and what stands there instead.
#[derive(Clone, Debug)]
pub struct Edit {
    pub at: Range<usize>,
    pub by: String,
}

impl Edit {
    pub fn new(at: Range<usize>, by: impl Into<String>) -> Self {
        Edit { at, by: by.into() }
    }

    pub fn insert(at: usize, what: impl Into<String>) -> Self {
        Edit::new(at..at, what)
    }
}

/// A text after its edits.
pub struct Edited {
    pub text: String,
    /// The edits in the order of the text, with where each begins in the new one.
    edits: Vec<(Edit, usize)>,
}

/// Applies `edits`, which do not overlap.
pub fn apply(text: &str, mut edits: Vec<Edit>) -> Edited {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let mut new = String::with_capacity(text.len() + 64);
    let mut placed = Vec::new();
    let mut done = 0;
    for edit in edits {
        new.push_str(&text[done..edit.at.start]);
        done = edit.at.end;
        placed.push((edit.clone(), new.len()));
        new.push_str(&edit.by);
    }
    new.push_str(&text[done..]);
    Edited { text: new, edits: placed }
}

impl Edited {
    /// The lines that hold what the edit at byte `old` of the old text wrote.
    pub fn lines_of_edit(&self, old: usize) -> RangeInclusive<usize> {
        let (edit, start) = self.edits.iter().find(|(edit, _)| edit.at.start == old).expect("an edit of this text");
        let written = edit.by.trim_end_matches('\n').len();
        line(&self.text, *start)..=line(&self.text, start + written)
    }

    /// The line to which byte `old` of the old text has come.
    pub fn line_of(&self, old: usize) -> usize {
        let before = self.edits.iter().rfind(|(edit, _)| edit.at.end <= old);
        line(&self.text, before.map_or(old, |(edit, start)| start + edit.by.len() + old - edit.at.end))
    }
}

/// The line of byte `at`, from 1.
pub fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The first byte of the line of byte `at`.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// The first byte of the line after that of byte `at`.
pub fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

/// How far from the left byte `at` stands.
pub fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

/// A text of several lines, all but its first moved from column `from` to column `to`.
pub fn shifted(text: &str, from: usize, to: usize) -> String {
    let mut lines = text.split('\n');
    let mut all = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let indentation = line.len() - line.trim_start().len();
        all.push('\n');
        all.push_str(&" ".repeat((indentation + to).saturating_sub(from)));
        all.push_str(line.trim_start());
    }
    all
}
