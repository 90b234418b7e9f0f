//! YAML text to a [`Node`] tree: YAML 1.2 scalars, duplicate keys refused, size, depth and aliases bounded.

use super::{
    syntax::Broken,
    tree::{Entry, Node, Value},
};
use crate::diagnostic::{Code, Diagnostic, MAX_PROBLEMS, Place, Result, SourceMap, TextId};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use std::collections::HashMap;

/// No pipeline is larger, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// No pipeline is deeper, in nested lists and mappings.
const MAX_DEPTH: usize = 64;
/// The key that merges other mappings into one.
const MERGE: &str = "<<";
/// No pipeline has more values once its aliases are expanded.
const MAX_NODES: usize = 50_000;

/// Reads the one document of `text`. What is wrong is added to `problems`; without a sound tree, `None`.
pub fn parse(sources: &SourceMap, text: TextId, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    let content = sources.text(text).content.clone();
    if content.len() > MAX_BYTES {
        problems.push(
            Diagnostic::error(
                Code::TOO_LARGE,
                format!("a pipeline of {} bytes; at most {MAX_BYTES} are read", content.len()),
            )
            .in_file(&sources.text(text).name),
        );
        return None;
    }
    let mut builder = Builder {
        text,
        content: &content,
        offsets: Offsets::new(&content),
        parser: Parser::new_from_str(&content),
        anchors: HashMap::new(),
        nodes: 0,
        problems,
    };
    match builder.document() {
        Ok(node) => {
            builder.unused_anchors();
            node
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

/// Character positions, as the parser counts, to byte positions.
struct Offsets {
    /// Empty where every character is one byte.
    bytes: Vec<usize>,
    len: usize,
}

impl Offsets {
    fn new(content: &str) -> Self {
        let bytes = if content.is_ascii() { Vec::new() } else { content.char_indices().map(|(i, _)| i).collect() };
        Offsets { bytes, len: content.len() }
    }

    fn byte(&self, index: usize) -> usize {
        if self.bytes.is_empty() { index.min(self.len) } else { self.bytes.get(index).copied().unwrap_or(self.len) }
    }
}

struct Anchor {
    node: Node,
    /// How many nodes it holds.
    size: usize,
    /// Where its name stands, with the `&`.
    place: Place,
    used: bool,
}

struct Builder<'t, 'p> {
    text: TextId,
    content: &'t str,
    offsets: Offsets,
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// Finished anchors.
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    problems: &'p mut Vec<Diagnostic>,
}

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Result<Option<Node>> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, _) => return Ok(None),
                (event, span) => {
                    let root = self.node(event, span, 0)?;
                    return self.end().map(|()| Some(root));
                }
            }
        }
    }

    /// Nothing may follow the first document.
    fn end(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, span) => {
                    return Err(Box::new(
                        Diagnostic::error(Code::SYNTAX, "a second document in one file")
                            .at(self.place(span), "it begins here")
                            .help("one file holds one pipeline: put this one into a file of its own"),
                    ));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Box::new(self.syntax_error(&error))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, span: Span) -> Place {
        let start = self.offsets.byte(span.start.index());
        let end = self.offsets.byte(span.end.index()).max(start);
        // The parser ends a block behind its last line break.
        let end = start + self.content[start..end].trim_end().len();
        Place { text: self.text, start, end }
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        let at = self.offsets.byte(error.marker().index());
        Broken { text: self.text, content: self.content, at }.explain(error.info())
    }

    fn first_word(&self, place: Place) -> &str {
        self.content[place.start..].split_whitespace().next().unwrap_or_default()
    }

    /// Where a list or mapping ends: behind its bracket, or, without one, with the last of its items.
    fn end_of(&self, end: Span, last: Option<usize>) -> usize {
        let at = self.offsets.byte(end.start.index());
        match self.content[at..].starts_with([']', '}']) {
            true => at + 1,
            false => last.unwrap_or_default(),
        }
    }

    fn count(&mut self, nodes: usize, place: Place) -> Result<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Box::new(
                Diagnostic::error(Code::TOO_LARGE, format!("the file expands to more than {MAX_NODES} values"))
                    .at(place, "the bound is passed here"),
            ));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node> {
        let mut place = self.place(span);
        let before = self.nodes;
        self.count(1, place)?;
        if depth > MAX_DEPTH {
            return Err(Box::new(
                Diagnostic::error(Code::TOO_LARGE, format!("more than {MAX_DEPTH} levels of nesting"))
                    .at(place, "too deep"),
            ));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place)?;
                (scalar(&text, style), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place)?;
                let mut items: Vec<Node> = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => {
                            place.end = self.end_of(end, items.last().map(end_of_node)).max(place.end);
                            break (Value::List(items), anchor);
                        }
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place)?;
                let mut entries: Vec<Entry> = Vec::new();
                // Where each key stands first; nothing once it was told that it stands twice.
                let mut seen: HashMap<String, Option<usize>> = HashMap::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, end) => {
                            let last = entries.last().map(|entry| end_of_node(&entry.value).max(entry.key_place.end));
                            place.end = self.end_of(end, last).max(place.end);
                            self.merge(&mut entries)?;
                            break (Value::Map(entries), anchor);
                        }
                        (event, span) => {
                            let (key, key_place) = self.key(event, span)?;
                            let (event, span) = self.next()?;
                            let value = self.node(event, span, depth + 1)?;
                            match seen.get(&key) {
                                Some(Some(first)) => {
                                    self.stands_twice(&key, key_place, entries[*first].key_place);
                                    seen.insert(key, None);
                                }
                                Some(None) => {}
                                None => {
                                    seen.insert(key.clone(), Some(entries.len()));
                                    entries.push(Entry { key, key_place, value });
                                }
                            }
                        }
                    }
                }
            }
            Event::Alias(id) => {
                let Some(anchor) = self.anchors.get_mut(&id) else {
                    return Err(Box::new(
                        Diagnostic::error(Code::SYNTAX, "an alias inside of what it stands for")
                            .at(place, "it would never end"),
                    ));
                };
                anchor.used = true;
                let node = Node { via: Some(place), ..anchor.node.clone() };
                let size = anchor.size;
                self.count(size, place)?;
                return Ok(node);
            }
            _ => (Value::Null, 0),
        };
        let node = Node::new(place, value);
        if anchor != 0 {
            let (size, place) = (self.nodes - before, self.anchor_before(place));
            self.anchors.insert(anchor, Anchor { node: node.clone(), size, place, used: false });
        }
        Ok(node)
    }

    fn stands_twice(&mut self, key: &str, second: Place, first: Place) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(
                Diagnostic::error(Code::DUPLICATE_KEY, format!("`{key}` stands twice"))
                    .at(second, "the second one")
                    .at(first, "the first one")
                    .help("a key may stand once in a mapping: remove one of the two"),
            );
        }
    }

    /// Where the name of the anchor stands that belongs to what begins at `place`.
    fn anchor_before(&self, place: Place) -> Place {
        // What is empty begins before its anchor.
        let behind = &self.content[place.start..];
        let start = match behind.trim_start().starts_with('&') {
            true => self.content.len() - behind.trim_start().len(),
            false => self.content[..place.start].rfind('&').unwrap_or(place.start),
        };
        let name = self.content[start..].split(|c: char| c.is_whitespace() || ",[]{}".contains(c)).next();
        Place { start, end: start + name.map_or(0, str::len), ..place }
    }

    fn unused_anchors(&mut self) {
        let mut unused: Vec<&Anchor> = self.anchors.values().filter(|anchor| !anchor.used).collect();
        unused.sort_by_key(|anchor| anchor.place.start);
        for Anchor { place, .. } in unused {
            let name = self.content[place.start..place.end].trim_start_matches('&');
            self.problems.push(
                Diagnostic::warning(Code::UNUSED_ANCHOR, format!("nothing uses the anchor `{name}`"))
                    .at(*place, "defined here")
                    .help(format!("use it with `*{name}`, or remove `&{name}`")),
            );
        }
    }

    fn key(&mut self, event: Event<'t>, span: Span) -> Result<(String, Place)> {
        let place = self.place(span);
        self.count(1, place)?;
        match event {
            Event::Scalar(text, ..) => Ok((text.into_owned(), place)),
            _ => Err(Box::new(
                Diagnostic::error(Code::SYNTAX, "a key that is no plain word").at(place, "keys are words here"),
            )),
        }
    }

    /// Puts what `<<` names beside the mapping's own entries; what stands there itself wins, then the first that is named.
    fn merge(&mut self, entries: &mut Vec<Entry>) -> Result<()> {
        let Some(at) = entries.iter().position(|entry| entry.key == MERGE) else { return Ok(()) };
        let merged = entries.remove(at);
        let around = merged.value.via;
        let sources = match merged.value.value {
            Value::List(items) => items,
            _ => vec![merged.value],
        };
        for source in sources {
            let via = around.or(source.via).unwrap_or(merged.key_place);
            let Value::Map(inherited) = source.value else {
                self.problems.push(
                    Diagnostic::error(Code::SYNTAX, format!("`{MERGE}` merges mappings, not {}", source.value.kind()))
                        .at(source.place, "no mapping")
                        .help(format!("for example `{MERGE}: *name`, where `&name` marks a mapping")),
                );
                continue;
            };
            for mut entry in inherited {
                if !entries.iter().any(|own| own.key == entry.key) {
                    entry.value.via = Some(via);
                    entries.push(entry);
                }
            }
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, place: Place) -> Result<()> {
        match tag {
            None => Ok(()),
            Some(_) => Err(Box::new(
                Diagnostic::error(Code::SYNTAX, format!("the tag `{}`", self.first_word(place)))
                    .at(place, "tagged here")
                    .help("a pipeline needs no tags: types follow from the keys"),
            )),
        }
    }
}

/// Where a value ends where it is used.
fn end_of_node(node: &Node) -> usize {
    node.via.unwrap_or(node.place).end
}

/// A scalar by YAML 1.2's core schema: `1e-4` is a number, `no` is a string.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_string());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Value::Float(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let radix = |prefix: &str, radix| text.strip_prefix(prefix).and_then(|s| i64::from_str_radix(s, radix).ok());
    if let Some(number) = radix("0o", 8).or_else(|| radix("0x", 16)) {
        return Value::Int(number);
    }
    // What Rust reads as a number beyond the core schema (`inf`, `infinity`, `nan`) has no digit in front.
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit())
        || unsigned.strip_prefix('.').is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit()));
    if numeric {
        if let Ok(number) = text.parse::<i64>() {
            return Value::Int(number);
        }
        if let Ok(number) = text.parse::<f64>() {
            return Value::Float(number);
        }
    }
    Value::String(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path;
    use std::path::Path;

    fn read(content: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let text = sources.add_file(Path::new("t.yaml"), content);
        let mut problems = Vec::new();
        let node = parse(&sources, text, &mut problems);
        (node, problems)
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        for (text, want) in [
            ("1e-4", Value::Float(1e-4)),
            ("-1.5E+3", Value::Float(-1500.0)),
            (".5", Value::Float(0.5)),
            ("+7", Value::Int(7)),
            ("0x1F", Value::Int(31)),
            ("0o17", Value::Int(15)),
            ("012", Value::Int(12)),
            ("no", Value::String("no".into())),
            ("inf", Value::String("inf".into())),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("1/255", Value::String("1/255".into())),
            ("'1'", Value::String("1".into())),
            ("1_000", Value::String("1_000".into())),
            ("True", Value::Bool(true)),
            ("~", Value::Null),
        ] {
            let (node, problems) = read(text);
            assert_eq!((node.map(|n| n.value), problems.len()), (Some(want), 0), "{text}");
        }
    }

    #[test]
    fn places_are_bytes_and_cover_the_value() {
        let content = "a: ü\nb:\n  - x: [1, 2]\n  - \"y\"\n";
        let (node, _) = read(content);
        let node = node.unwrap();
        let text = |node: &Node| &content[node.place.start..node.place.end];
        assert_eq!(text(node.get("a").unwrap()), "ü");
        assert_eq!(text(node.at(path!["b", 0, "x"]).unwrap()), "[1, 2]");
        assert_eq!(text(node.at(path!["b", 1]).unwrap()), "\"y\"");
        let key = node.entry("b").unwrap().key_place;
        assert_eq!(&content[key.start..key.end], "b");
    }

    #[test]
    fn aliases_are_expanded_within_a_bound() {
        let (node, _) = read("a: &x {k: 1}\nb: *x\n");
        assert_eq!(node.unwrap().at(path!["b", "k"]).unwrap().value, Value::Int(1));

        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for i in 1..9 {
            let before = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb += &format!("a{i}: &a{i} [{before}]\n");
        }
        let (node, problems) = read(&bomb);
        assert!(node.is_none());
        assert_eq!(problems[0].code, Code::TOO_LARGE);
    }

    #[test]
    fn what_is_no_pipeline_is_refused_by_name() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        for (text, code) in [
            ("a: 1\na: 2\n", Code::DUPLICATE_KEY),
            ("a:\n\tb: 1\n", Code::TAB),
            ("a: [1,\n", Code::SYNTAX),
            ("a: 1\n---\nb: 2\n", Code::SYNTAX),
            ("a: !!python/object x\n", Code::SYNTAX),
            ("? [a]\n: 1\n", Code::SYNTAX),
            (&deep, Code::TOO_LARGE),
        ] {
            let (_, problems) = read(text);
            assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [code], "{text:?}");
        }
    }
}
