//! Diagnostics as JSON, with all that is known of each.

use super::{Findings, flag, level};
use crate::diagnostic::{Diagnostic, Label, SourceMap, position::ColumnUnit};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    file: String,
    sound: bool,
    diagnostics: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    code: &'static str,
    severity: &'static str,
    message: String,
    labels: Vec<Mark>,
    notes: Vec<String>,
    help: Vec<String>,
}

/// A label: `end` is where what comes behind it begins.
#[derive(Serialize)]
struct Mark {
    /// The file, or `--set`.
    file: String,
    /// The flag with its value, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<String>,
    start: Point,
    end: Point,
    text: String,
}

/// Line and column from 1, the column in characters; the byte from 0, a byte-order mark left out.
#[derive(Serialize)]
struct Point {
    line: usize,
    column: usize,
    byte: usize,
}

/// The findings as one JSON document, `{"files": [...]}`.
pub fn json(findings: &[Findings<'_>]) -> String {
    let files = findings
        .iter()
        .map(|found| File {
            file: found.file.display().to_string(),
            sound: found.sound,
            diagnostics: found.problems.iter().map(|problem| entry(found.sources, problem)).collect(),
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&Document { files }).expect("findings are plain data");
    text.push('\n');
    text
}

fn entry(sources: &SourceMap, problem: &Diagnostic) -> Entry {
    Entry {
        code: problem.code.name(),
        severity: level(problem.severity, "note"),
        message: problem.message.clone(),
        labels: problem.labels.iter().map(|label| mark(sources, label)).collect(),
        notes: problem.notes.clone(),
        help: problem.help.clone(),
    }
}

fn mark(sources: &SourceMap, label: &Label) -> Mark {
    let (start, end) = sources.positions(label.place, ColumnUnit::Characters);
    Mark {
        file: sources.text(label.place.text).name.clone(),
        flag: flag(sources, label),
        start: Point { line: start.line, column: start.column, byte: label.place.start },
        end: Point { line: end.line, column: end.column, byte: label.place.end },
        text: label.text.clone(),
    }
}
