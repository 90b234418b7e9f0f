//! What a YAML parser says of a broken file, in words that say what to type.

use crate::diagnostic::{Code, Diagnostic, Place, TextId, nearest};
use regex_lite::Regex;
use std::{ops::Range, sync::LazyLock};

/// Where in which text reading ended.
#[derive(Clone, Copy)]
pub struct Broken<'a> {
    /// The text.
    pub text: TextId,
    /// All of it.
    pub content: &'a str,
    /// The byte at which the parser gave up.
    pub at: usize,
}

/// The parser's messages for lines that begin in the wrong column.
const INDENTATION: [&str; 10] = [
    "while parsing a block mapping, did not find expected key",
    "while parsing a block collection, did not find expected '-' indicator",
    "did not find expected <document start>",
    "mapping values are not allowed in this context",
    "block sequence entries are not allowed in this context",
    "comment intercepting the multiline text",
    "invalid indentation",
    "invalid indentation in flow construct",
    "simple key expected",
    "simple key expect ':'",
];

impl Broken<'_> {
    /// The complaint about it; `reason` is the parser's own.
    pub fn explain(&self, reason: &str) -> Diagnostic {
        self.tab()
            .or_else(|| self.unknown_anchor(reason))
            .or_else(|| self.missing_blank())
            .or_else(|| self.never_closed(reason))
            .or_else(|| self.missing_colon(reason))
            .or_else(|| self.indentation(reason))
            .unwrap_or_else(|| {
                let end = self.content[self.at..].chars().next().map_or(self.at, |c| self.at + c.len_utf8());
                let plain = reason.rsplit_once(", ").map_or(reason, |(_, plain)| plain);
                Diagnostic::error(Code::SYNTAX, format!("not YAML: {plain}"))
                    .at(self.place(self.at..end), "read up to here")
            })
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place { text: self.text, start: range.start, end: range.end }
    }

    /// The line at which reading ended and the one with something in it before, each with where it begins.
    fn lines(&self) -> Vec<(usize, &str)> {
        let begin = self.content[..self.at].rfind('\n').map_or(0, |at| at + 1);
        let line = |start: usize| (start, self.content[start..].lines().next().unwrap_or_default());
        let mut before = begin;
        let mut lines = vec![line(begin)];
        while before > 0 {
            before = self.content[..before - 1].rfind('\n').map_or(0, |at| at + 1);
            if !line(before).1.trim().is_empty() {
                lines.push(line(before));
                break;
            }
        }
        lines
    }

    fn tab(&self) -> Option<Diagnostic> {
        let tab = self.lines().into_iter().find_map(|(start, line)| {
            let indentation = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
            indentation.find('\t').map(|offset| start + offset)
        })?;
        Some(
            Diagnostic::error(Code::TAB, "a tab in the indentation")
                .at(self.place(tab..tab + 1), "this is a tab")
                .help("YAML indents with spaces only: replace each tab by two spaces"),
        )
    }

    fn unknown_anchor(&self, reason: &str) -> Option<Diagnostic> {
        static ANCHOR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"&([^\s,\[\]{}]+)").expect("a pattern"));
        static ALIAS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\*([^\s,\[\]{}]+)").expect("a pattern"));
        if !reason.contains("unknown anchor") {
            return None;
        }
        let known: Vec<&str> = ANCHOR.captures_iter(self.content).filter_map(|c| Some(c.get(1)?.as_str())).collect();
        let (start, line) = *self.lines().first()?;
        let named = |alias: &regex_lite::Match<'_>| known.contains(&&alias.as_str()[1..]);
        let alias = ALIAS.find_iter(line).find(|alias| !named(alias))?;
        let name = &alias.as_str()[1..];
        let problem = Diagnostic::error(Code::SYNTAX, format!("no anchor is called `{name}`"))
            .at(self.place(start + alias.start()..start + alias.end()), "stands for nothing");
        Some(match nearest(name, known) {
            Some(near) => problem.help(format!("did you mean `*{near}`?")),
            None => problem.help(format!("mark what it should stand for with `&{name}`, above this line")),
        })
    }

    /// `epochs:30` and `-shuffle`.
    fn missing_blank(&self) -> Option<Diagnostic> {
        static COLON: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r#"^\s*(?:- )*[A-Za-z_][\w.]*(:)[^\s:/][^:]*$"#).expect("a pattern"));
        static DASH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*(?:- )*(-)[A-Za-z{\[]").expect("a pattern"));
        self.lines().into_iter().find_map(|(start, line)| {
            let (mark, found) = [("`:`", &COLON), ("`-`", &DASH)]
                .into_iter()
                .find_map(|(mark, pattern)| Some((mark, pattern.captures(line)?.get(1)?)))?;
            let place = self.place(start + found.start()..start + found.end());
            Some(
                Diagnostic::error(Code::SYNTAX, format!("a blank is missing behind {mark}"))
                    .at(place, "put a blank behind this"),
            )
        })
    }

    /// A bracket or a quote that is open where reading ended.
    fn never_closed(&self, reason: &str) -> Option<Diagnostic> {
        let mut open: Vec<(usize, char)> = Vec::new();
        let mut quote: Option<(usize, char)> = None;
        let mut before = ' ';
        let mut characters = self.content[..self.at].char_indices();
        while let Some((at, c)) = characters.next() {
            match (quote, c) {
                (Some((_, '"')), '\\') => drop(characters.next()),
                (Some((_, end)), c) if c == end => quote = None,
                (Some(_), _) => {}
                (None, '#') if before.is_whitespace() => {
                    characters.by_ref().find(|(_, c)| *c == '\n');
                }
                (None, '"' | '\'') if before.is_whitespace() || "[{,".contains(before) => quote = Some((at, c)),
                (None, '[' | '{') if !open.is_empty() || before.is_whitespace() => open.push((at, c)),
                (None, ']' | '}') => drop(open.pop()),
                _ => {}
            }
            before = c;
        }
        // Of a quoted text, the parser names the beginning.
        let named = self.content[self.at..].chars().next().filter(|c| reason.contains("quoted") && "\"'".contains(*c));
        let (at, opening) = named.map(|quote| (self.at, quote)).or(quote).or(open.pop())?;
        let closing = match opening {
            '[' => ']',
            '{' => '}',
            quote => quote,
        };
        let problem = Diagnostic::error(Code::SYNTAX, format!("`{opening}` is never closed"))
            .at(self.place(at..at + 1), "opened here")
            .help(format!("put `{closing}` behind what belongs inside"));
        Some(if at == self.at { problem } else { problem.at(self.place(self.at..self.at), "read up to here") })
    }

    /// A line with a key alone and no colon.
    fn missing_colon(&self, reason: &str) -> Option<Diagnostic> {
        static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*([A-Za-z_]\w*)\s*$").expect("a pattern"));
        if !reason.contains("simple key") {
            return None;
        }
        self.lines().into_iter().find_map(|(start, line)| {
            let word = WORD.captures(line)?.get(1)?;
            Some(
                Diagnostic::error(Code::SYNTAX, format!("a colon is missing behind `{}`", word.as_str()))
                    .at(self.place(start + word.start()..start + word.end()), "a key without a colon")
                    .help(format!("write `{}:` and its value", word.as_str())),
            )
        })
    }

    /// A line in the wrong column, or one with a colon too many.
    fn indentation(&self, reason: &str) -> Option<Diagnostic> {
        if !INDENTATION.contains(&reason) {
            return None;
        }
        let (start, line) = *self.lines().first()?;
        let mut colons = line.match_indices(": ").map(|(at, _)| start + at);
        if let (true, Some(_), Some(second)) = (reason.contains("mapping values"), colons.next(), colons.next()) {
            return Some(
                Diagnostic::error(Code::SYNTAX, "two colons in one line")
                    .at(self.place(second..second + 1), "one too many")
                    .help("put text with a colon in quotes; a mapping within a line stands in braces, `{a: 1}`"),
            );
        }
        let blanks = line.len() - line.trim_start().len();
        let word = line.trim_start().split([':', ' ']).next().unwrap_or_default().len().max(1);
        let place = self.place(start + blanks..(start + blanks + word).min(self.content.len()));
        Some(
            Diagnostic::error(Code::SYNTAX, "this line doesn't fit the lines above it")
                .at(place, format!("begins in column {}", blanks + 1))
                .help("keys of one mapping begin in the same column, and what belongs inside of a key stands deeper"),
        )
    }
}
