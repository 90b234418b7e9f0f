//! Diagnostics as text, in the look of rustc.

use super::{Diagnostic, Severity, SourceMap};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Snippet, renderer::DecorStyle};

/// Turns diagnostics into text.
pub struct Renderer {
    renderer: annotate_snippets::Renderer,
}

impl Renderer {
    /// Without colours, for files, pipes and tests.
    pub fn plain() -> Self {
        Renderer { renderer: annotate_snippets::Renderer::plain().decor_style(DecorStyle::Ascii) }
    }

    /// With colours, for a terminal.
    pub fn coloured() -> Self {
        Renderer { renderer: annotate_snippets::Renderer::styled().decor_style(DecorStyle::Ascii) }
    }

    /// One diagnostic as text of several lines, without a line break at the end.
    pub fn render(&self, sources: &SourceMap, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.name());
        let mut group = Group::with_title(title);

        let mut rest = diagnostic.labels.as_slice();
        while let Some(first) = rest.first() {
            // Labels of one text share a snippet; the next text has its own.
            let count = rest.iter().take_while(|l| l.place.text == first.place.text).count();
            let text = sources.text(first.place.text);
            let is_primary_text = std::ptr::eq(first, &diagnostic.labels[0]);
            let snippet = Snippet::source(&*text.content).path(text.name.as_str()).annotations(
                rest[..count].iter().enumerate().map(|(i, label)| {
                    let kind =
                        if i == 0 && is_primary_text { AnnotationKind::Primary } else { AnnotationKind::Context };
                    let end = first_line_end(&text.content, label.place.start, label.place.end);
                    let annotation = kind.span(label.place.start..end);
                    if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
                }),
            );
            group = group.element(snippet);
            rest = &rest[count..];
        }
        if let (true, Some(file)) = (diagnostic.labels.is_empty(), &diagnostic.file) {
            group = group.element(Origin::path(file.as_str()));
        }
        group = group.elements(diagnostic.notes.iter().map(|note| Level::NOTE.message(note.as_str())));
        group = group.elements(diagnostic.help.iter().map(|help| Level::HELP.message(help.as_str())));
        self.renderer.render(&[group])
    }
}

/// A mark that runs over several lines says less than its first line: `conv2d:` and not all that follows.
fn first_line_end(content: &str, start: usize, end: usize) -> usize {
    match content[start..end].find('\n') {
        Some(offset) => start + content[start..start + offset].trim_end().len(),
        None => end,
    }
}
