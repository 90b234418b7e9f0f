//! The essentials of the report in Markdown, for a pull request or a wiki.

use super::{classification, confusion, guarded, page, provenance, verdict, warnings};
use crate::{diagnostic::Result, run::Record};
use serde_json::json;

const TEMPLATE: &str = include_str!("../../templates/report.md");

/// The essentials of the report in GitHub's Markdown.
///
/// # Errors
/// Where the record contradicts itself, or the template is wrong.
pub fn markdown(record: &Record) -> Result<String> {
    guarded(|| essentials(record))
}

fn essentials(record: &Record) -> Result<String> {
    let info = &record.info;
    let data = json!({
        "title": if info.title.is_empty() { &info.name } else { &info.title },
        "description": info.description.trim(),
        "verdict": (verdict::SECTION.data)(record),
        "classification": (classification::SECTION.data)(record),
        "confusion": (confusion::SECTION.data)(record),
        "warnings": (warnings::SECTION.data)(record),
        "provenance": (provenance::SECTION.data)(record),
    });
    let mut environment = page::environment();
    environment.add_filter("md", |text: &str| escaped(text));
    environment.add_filter("code", |text: &str| fenced(text));
    page::text(&environment, TEMPLATE, data)
}

/// Text that means nothing but itself in Markdown, in a cell of a table too.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => safe.push(' '),
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '>' => safe.extend(['\\', letter]),
            letter if is_control(letter) => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// What turns the direction of text, or moves a cursor.
fn is_control(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A block of code that its text cannot end.
fn fenced(text: &str) -> String {
    let text: String = text.chars().map(|c| if c != '\n' && is_control(c) { '\u{fffd}' } else { c }).collect();
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn the_essentials_stand_in_markdown() {
        insta::assert_snapshot!(markdown(&sample()).unwrap());
    }

    #[test]
    fn what_users_wrote_means_nothing_in_markdown() {
        assert_eq!(escaped("a|b *c* <d>\n`e`"), "a\\|b \\*c\\* &lt;d\\> \\`e\\`");
        assert_eq!(escaped("\u{202e}x\u{1b}"), "\u{fffd}x\u{fffd}");
        assert_eq!(fenced("a ``` b"), "````\na ``` b\n````");
        let mut record = sample();
        record.info.name = "<script>alert(1)</script>".to_owned();
        record.info.warnings = vec!["```\n<script>".to_owned()];
        let text = markdown(&record).unwrap();
        assert!(text.starts_with("# &lt;script\\>alert(1)&lt;/script\\>"), "{text}");
        assert!(text.contains("````\n```\n<script>\n````"));
    }
}
