//! Diagnostics for other programs: one document for all files that were checked.

pub mod github;
mod json;
mod sarif;

pub use github::github;
pub use json::json;
pub use sarif::sarif;

use super::{Diagnostic, Label, Severity, SourceMap};
use std::path::{Path, PathBuf};

/// What was found in one file.
#[derive(Clone, Copy)]
pub struct Findings<'a> {
    /// The file, as the user named it.
    pub file: &'a Path,
    /// Whether its pipeline can run.
    pub sound: bool,
    /// The texts that places point into.
    pub sources: &'a SourceMap,
    /// Everything there is to tell.
    pub problems: &'a [Diagnostic],
}

/// A severity as these formats write it, by `note`'s name.
fn level(severity: Severity, note: &'static str) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => note,
    }
}

/// The file that `findings` are about, below `root` where it lies there.
fn below(root: &Path, file: &Path) -> PathBuf {
    let file = file.strip_prefix(root).unwrap_or(file);
    // `./a.yaml` and `a.yaml` are one file.
    file.components().filter(|part| *part != std::path::Component::CurDir).collect()
}

/// The flag that a label points into, such as `--set training.epochs=5`.
fn flag(sources: &SourceMap, label: &Label) -> Option<String> {
    let text = sources.text(label.place.text);
    text.path.is_none().then(|| format!("{} {}", text.name, text.content))
}

/// Notes and help, each a line.
fn advice(problem: &Diagnostic) -> impl Iterator<Item = String> {
    let notes = problem.notes.iter().map(|note| format!("note: {note}"));
    notes.chain(problem.help.iter().map(|help| format!("help: {help}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_root() {
        for (file, want) in [
            ("/work/pipelines/a.yaml", "pipelines/a.yaml"),
            ("./a.yaml", "a.yaml"),
            ("../a.yaml", "../a.yaml"),
            ("/elsewhere/a.yaml", "/elsewhere/a.yaml"),
        ] {
            assert_eq!(below(Path::new("/work"), Path::new(file)), Path::new(want));
        }
    }
}
