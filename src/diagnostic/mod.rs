//! Complaints: what is wrong, where, and what to do. Every failure that a user can see is a [`Diagnostic`].
//!
//! A diagnostic has a stable [`Code`] in words, a message as a lowercase fragment, the [`Place`]s it speaks
//! of, and help that says what to write instead.

mod code;
pub mod format;
mod place;
pub mod position;
mod render;
mod suggest;

pub use code::{Code, EXAMPLE_BASE, Example};
pub use place::{Place, SourceMap, Spot, Text, TextId};
pub use render::Renderer;
pub use suggest::nearest;

/// More are not told at once: they follow from each other, or the file is none of ours.
pub const MAX_PROBLEMS: usize = 100;

/// How much a diagnostic costs the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; never stops anything.
    Note,
    /// Valid, and probably not what was meant.
    Warning,
    /// Nothing can be done before it is mended.
    Error,
}

/// A place with what to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What to say there; may be empty.
    pub text: String,
}

/// One complaint.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Its stable name.
    pub code: Code,
    /// What it costs.
    pub severity: Severity,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The places it speaks of; the first is the one to go to.
    pub labels: Vec<Label>,
    /// The file it is about, where there is no place inside a file.
    pub file: Option<String>,
    /// Facts that explain it.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A note.
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity,
            message: shortened(message.into()),
            labels: Vec::new(),
            file: None,
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Points at a place, and at the alias that leads there.
    pub fn at(mut self, spot: impl Into<Spot>, label: impl Into<String>) -> Self {
        let Spot { place, via } = spot.into();
        self.labels.push(Label { place, text: label.into() });
        self.labels.extend(via.map(|place| Label { place, text: "used here".to_owned() }));
        self
    }

    /// Names the file it is about.
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Adds a fact.
    pub fn fact(mut self, note: impl Into<String>) -> Self {
        self.notes.push(shortened(note.into()));
        self
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(shortened(help.into()));
        self
    }

    /// Whether nothing can go on before it is mended.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A sentence without the middle of what makes it endless, such as a name of a thousand letters.
fn shortened(text: String) -> String {
    const MOST: usize = 1000;
    const KEPT: usize = 200;
    let count = text.chars().count();
    if count <= MOST {
        return text;
    }
    let start: String = text.chars().take(KEPT).collect();
    let end: String = text.chars().skip(count - KEPT).collect();
    format!("{start} ... {end}")
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// An operation that the user may have to be told about.
pub type Result<T, E = Box<Diagnostic>> = std::result::Result<T, E>;

/// An error about reading or writing `path`.
pub fn io_error(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Box<Diagnostic> {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::StorageFull => "no space left on the disk".to_owned(),
        // "Is a directory (os error 21)": the number helps nobody.
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase(),
    };
    Box::new(Diagnostic::error(Code::IO, format!("cannot {doing} {}: {reason}", path.display())))
}
