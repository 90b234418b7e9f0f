//! Diagnostics as workflow commands of GitHub Actions: annotations at the lines of a change.

use super::{Findings, advice, below, flag, level};
use crate::diagnostic::{Diagnostic, position::ColumnUnit};
use std::path::Path;

/// A line for each diagnostic: `::error file=a.yaml,line=3,...::message`. Files below `root`, where the workflow runs,
/// are named from there.
pub fn github(findings: &[Findings<'_>], root: &Path) -> String {
    let lines = findings.iter().flat_map(|found| found.problems.iter().map(|problem| line(found, problem, root)));
    lines.collect()
}

fn line(found: &Findings<'_>, problem: &Diagnostic, root: &Path) -> String {
    let mut properties = Vec::new();
    let mut add = |name: &'static str, value: &str| properties.push((name, value.to_owned()));
    match problem.labels.first() {
        None => add("file", &shown(found.file, root)),
        Some(label) => {
            // A flag lies in no file.
            if let Some(file) = &found.sources.text(label.place.text).path {
                let (start, end) = found.sources.positions(label.place, ColumnUnit::Characters);
                add("file", &shown(file, root));
                add("line", &start.line.to_string());
                // Columns count only within one line.
                if start.line == end.line {
                    add("col", &start.column.to_string());
                    add("endLine", &end.line.to_string());
                    add("endColumn", &end.column.to_string());
                } else {
                    add("endLine", &end.line.to_string());
                }
            }
        }
    }
    add("title", problem.code.name());
    let mut message = vec![problem.message.clone()];
    for label in &problem.labels {
        let (place, is_flag) = match flag(found.sources, label) {
            Some(flag) => (flag, true),
            None => (format!("line {}", found.sources.line(label.place)), false),
        };
        if !label.text.is_empty() {
            message.push(format!("{place}: {}", label.text));
        } else if is_flag {
            // The file says where, a flag only the message.
            message.push(place);
        }
    }
    message.extend(advice(problem));
    annotation(level(problem.severity, "notice"), &properties, &message.join("\n")) + "\n"
}

/// A workflow command that annotates: `level` is `error`, `warning` or `notice`, the properties are those that the command
/// knows, such as `file` and `line`. One line, without its end.
pub fn annotation(level: &str, properties: &[(&str, String)], message: &str) -> String {
    let properties = properties.iter().map(|(name, value)| format!("{name}={}", escape_property(value)));
    format!("::{level} {}::{}", properties.collect::<Vec<_>>().join(","), escape_data(message))
}

/// A file as annotations name it: from `root`, where the workflow runs.
pub fn shown(file: &Path, root: &Path) -> String {
    below(root, file).display().to_string()
}

/// What would end a message, or begin an escape, written with a percent sign.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same for a property, which a comma or a colon would end, too.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        for (text, data, property) in [
            ("plain", "plain", "plain"),
            ("50%, or: more\r\n", "50%25, or: more%0D%0A", "50%25%2C or%3A more%0D%0A"),
            ("%0A", "%250A", "%250A"),
            ("für 日本", "für 日本", "für 日本"),
        ] {
            assert_eq!(escape_data(text), data);
            assert_eq!(escape_property(text), property);
        }
    }
}
