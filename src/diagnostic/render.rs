//! Diagnostics as text, in the look of rustc.

use super::{Diagnostic, Label, Place, Severity, SourceMap};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Snippet, renderer::DecorStyle};
use std::borrow::Cow;

/// Columns that text for no terminal may take.
const WIDE: usize = 140;
/// No terminal is taken for narrower than this many columns.
const NARROWEST: usize = 40;
/// Columns beside a mark, at most: line numbers, the frame, what shows that a line was cut.
const FRAME: usize = 24;

/// Turns diagnostics into text.
pub struct Renderer {
    renderer: annotate_snippets::Renderer,
    width: usize,
}

impl Renderer {
    /// Without colours, for files, pipes and tests.
    pub fn plain() -> Self {
        Renderer { renderer: annotate_snippets::Renderer::plain().decor_style(DecorStyle::Ascii), width: WIDE }
    }

    /// With colours, for a terminal.
    pub fn coloured() -> Self {
        Renderer { renderer: annotate_snippets::Renderer::styled().decor_style(DecorStyle::Ascii), width: WIDE }
    }

    /// For a terminal of so many columns: longer lines of a file are trimmed around the mark.
    pub fn width(mut self, columns: usize) -> Self {
        self.width = columns.max(NARROWEST);
        self
    }

    /// One diagnostic as text of several lines, without a line break at the end.
    ///
    /// Control characters of the file or of the message are shown as visible ones: a terminal gets none of them.
    pub fn render(&self, sources: &SourceMap, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let title = level.primary_title(visible(&diagnostic.message)).id(diagnostic.code.name());
        let mut group = Group::with_title(title);

        let mut rest = diagnostic.labels.as_slice();
        while let Some(first) = rest.first() {
            let (together, behind) = rest.split_at(self.fit_together(sources, rest));
            let text = sources.text(first.place.text);
            let is_primary_text = std::ptr::eq(first, &diagnostic.labels[0]);
            let annotations = together.iter().enumerate().map(|(i, label)| {
                let kind = if i == 0 && is_primary_text { AnnotationKind::Primary } else { AnnotationKind::Context };
                let annotation = kind.span(label.place.start..self.mark_end(&text.content, label.place));
                if label.text.is_empty() { annotation } else { annotation.label(visible(&label.text)) }
            });
            let snippet = Snippet::source(harmless(&text.content)).path(visible(&text.name)).annotations(annotations);
            group = group.element(snippet);
            rest = behind;
        }
        if let (true, Some(file)) = (diagnostic.labels.is_empty(), &diagnostic.file) {
            group = group.element(Origin::path(visible(file)));
        }
        group = group.elements(diagnostic.notes.iter().map(|note| Level::NOTE.message(visible(note))));
        group = group.elements(diagnostic.help.iter().map(|help| Level::HELP.message(visible(help))));
        self.renderer.clone().term_width(self.width).render(&[group])
    }

    /// How many of `labels`, from the first on, share a snippet: those of one text whose marks fit side by side.
    fn fit_together(&self, sources: &SourceMap, labels: &[Label]) -> usize {
        let text = labels[0].place.text;
        let content = &sources.text(text).content;
        let (mut left, mut right) = (usize::MAX, 0);
        let fits = |label: &&Label| {
            let place = label.place;
            let line_start = content[..place.start].rfind('\n').map_or(0, |i| i + 1);
            left = left.min(columns(&content[line_start..place.start]));
            right = right.max(columns(&content[line_start..self.mark_end(content, place)]));
            right - left <= self.width - FRAME
        };
        labels.iter().take_while(|label| label.place.text == text).take_while(fits).count().max(1)
    }

    /// A mark that runs over several lines says less than its first line: `conv2d:` and not all that follows. One that
    /// is wider than the terminal says no more than its beginning.
    fn mark_end(&self, content: &str, place: Place) -> usize {
        let marked = &content[place.start..place.end];
        let line = marked.split('\n').next().unwrap_or_default();
        let line = if line.len() < marked.len() { line.trim_end() } else { line };
        let mut room = (self.width - FRAME) as isize;
        let too_wide = |&(_, c): &(usize, char)| {
            room -= columns(c.encode_utf8(&mut [0; 4])) as isize;
            room < 0
        };
        place.start + line.char_indices().find(too_wide).map_or(line.len(), |(index, _)| index)
    }
}

/// Columns that `text` takes on a terminal, at most.
fn columns(text: &str) -> usize {
    let width = |c: char| match c {
        '\t' => 4,
        c if c.is_ascii() => 1,
        _ => 2,
    };
    text.chars().map(width).sum()
}

/// `text` with a visible character in place of each that a terminal would obey.
fn visible(text: &str) -> String {
    let show = |c: char| match c {
        '\n' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(show).collect()
}

/// The second set of control characters, U+0080 to U+009F, replaced in a file's text, byte for byte. The first set is
/// replaced where the text is drawn.
fn harmless(content: &str) -> Cow<'_, str> {
    let obeyed = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if content.contains(obeyed) { content.replace(obeyed, "\u{bf}").into() } else { content.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_becomes_visible() {
        assert_eq!(visible("a\x1b[31m\r\n\u{9b}2J\u{202e}\x7f\0é"), "a␛[31m␍\n\u{fffd}2J\u{fffd}␡␀é");
        assert_eq!(harmless("a\u{9b}2J").len(), "a\u{9b}2J".len());
        assert_eq!(harmless("a\u{9b}2J"), "a¿2J");
    }
}
