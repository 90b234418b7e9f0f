//! Diagnostics as SARIF 2.1.0, the format of static analysis results that code hosts and editors read.

use super::{Findings, advice, below, flag, level};
use crate::diagnostic::{Code, Diagnostic, Label, SourceMap, position::ColumnUnit};
use serde_json::{Map, Value as Json, json};
use std::path::{Component, Path};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The findings as one log with one run. Files below `root` are named from there.
pub fn sarif(findings: &[Findings<'_>], root: &Path) -> String {
    let used = |code: &Code| findings.iter().any(|found| found.problems.iter().any(|problem| problem.code == *code));
    let rules: Vec<Code> = Code::all().filter(used).collect();
    let index = |code: Code| rules.iter().position(|rule| *rule == code);
    let results: Vec<Json> = findings
        .iter()
        .flat_map(|found| found.problems.iter().map(|problem| result(found, problem, index(problem.code), root)))
        .collect();
    let described: Vec<Json> =
        rules.iter().map(|code| json!({ "id": code.name(), "shortDescription": { "text": code.meaning() } })).collect();
    let driver = json!({ "name": "trainyard", "version": env!("CARGO_PKG_VERSION"), "rules": described });
    let run = json!({ "tool": { "driver": driver }, "columnKind": "utf16CodeUnits", "results": results });
    let log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] });
    let mut text = serde_json::to_string_pretty(&log).expect("findings are plain data");
    text.push('\n');
    text
}

fn result(found: &Findings<'_>, problem: &Diagnostic, rule: Option<usize>, root: &Path) -> Json {
    let mut lines = vec![problem.message.clone()];
    lines.extend(advice(problem));
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), problem.code.name().into());
    if let Some(rule) = rule {
        result.insert("ruleIndex".to_owned(), rule.into());
    }
    result.insert("level".to_owned(), level(problem.severity, "note").into());
    result.insert("message".to_owned(), json!({ "text": lines.join("\n") }));
    let location = match problem.labels.first() {
        Some(label) => location(found.sources, label, root),
        None => json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&below(root, found.file)) } } }),
    };
    result.insert("locations".to_owned(), json!([location]));
    let related: Vec<Json> = problem.labels.iter().skip(1).map(|l| self::location(found.sources, l, root)).collect();
    if !related.is_empty() {
        result.insert("relatedLocations".to_owned(), related.into());
    }
    result.into()
}

fn location(sources: &SourceMap, label: &Label, root: &Path) -> Json {
    let mut location = Map::new();
    match (&sources.text(label.place.text).path, flag(sources, label)) {
        (Some(file), _) => {
            let (start, end) = sources.positions(label.place, ColumnUnit::Utf16);
            let region = json!({
                "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
            });
            let place = json!({ "artifactLocation": { "uri": uri(&below(root, file)) }, "region": region });
            location.insert("physicalLocation".to_owned(), place);
        }
        // A flag lies in no file.
        (None, flag) => {
            location.insert("logicalLocations".to_owned(), json!([{ "name": flag, "kind": "parameter" }]));
        }
    }
    if !label.text.is_empty() {
        location.insert("message".to_owned(), json!({ "text": label.text }));
    }
    location.into()
}

/// A path as a URI: relative where the path is.
fn uri(path: &Path) -> String {
    let mut parts = Vec::new();
    let mut scheme = "";
    for part in path.components() {
        match part {
            Component::RootDir => scheme = "file:///",
            Component::Prefix(prefix) => parts.push(prefix.as_os_str().to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir => parts.push("..".to_owned()),
            Component::Normal(name) => parts.push(encode(name.as_encoded_bytes())),
        }
    }
    format!("{scheme}{}", parts.join("/"))
}

/// Percent-encodes all but what RFC 3986 calls unreserved.
fn encode(bytes: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        for (path, want) in [
            ("pipelines/a.yaml", "pipelines/a.yaml"),
            ("../my runs/50%:ü.yaml", "../my%20runs/50%25%3A%C3%BC.yaml"),
            ("/data/a#b?.yaml", "file:///data/a%23b%3F.yaml"),
        ] {
            assert_eq!(uri(Path::new(path)), want);
        }
    }
}
