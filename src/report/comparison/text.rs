//! A comparison as text: for a terminal, and as Markdown.

use super::{Comparison, Outcome, Sides, Value, curves::sparkline};
use crate::{
    report::figure,
    text::{Table, printable, wrap},
};
use std::fmt::Write;

/// Whom the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns of plain text.
    Terminal,
    /// GitHub's Markdown.
    Markdown,
}

/// The widest paragraph and the longest sparkline, in characters.
const WIDTH: usize = 100;
const SPARKS: usize = 40;

/// The whole comparison, with at most `examples` of those that changed sides in each direction.
pub fn render(comparison: &Comparison, form: Form, examples: usize) -> String {
    let mut page = Page { form, text: String::new() };
    page.runs(comparison);
    page.configuration(comparison);
    page.metrics(comparison);
    page.curves(comparison);
    page.changes(comparison, examples);
    page.text
}

struct Page {
    form: Form,
    text: String,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let text = match self.form {
            Form::Terminal if self.text.is_empty() => format!("{text}\n"),
            Form::Terminal => format!("\n{text}\n"),
            Form::Markdown if self.text.is_empty() => format!("## {}\n\n", markdown(text)),
            Form::Markdown => format!("\n## {}\n\n", markdown(text)),
        };
        self.text.push_str(&text);
    }

    fn paragraph(&mut self, text: &str) {
        match self.form {
            Form::Terminal => {
                let lines = wrap(&printable(text), WIDTH);
                lines.iter().for_each(|line| self.text.push_str(&format!("{line}\n")));
            }
            Form::Markdown => {
                let apart = if self.text.ends_with("\n\n") || self.text.is_empty() { "" } else { "\n" };
                self.text.push_str(&format!("{apart}{}\n", markdown(text)));
            }
        }
    }

    /// A sentence to be searched for, in a line of its own.
    fn finding(&mut self, text: &str) {
        match self.form {
            Form::Terminal => self.text.push_str(&format!("{}\n", printable(text))),
            Form::Markdown => self.paragraph(text),
        }
    }

    /// A table whose first row holds the headings; `alignment` has a `<` or `>` for each column.
    fn table(&mut self, alignment: &str, rows: &[Vec<String>]) {
        match self.form {
            Form::Terminal => {
                let mut table = Table::bare(alignment);
                rows.iter().for_each(|row| table.row(row));
                self.text.push_str(&table.to_string());
            }
            Form::Markdown => {
                for (index, row) in rows.iter().enumerate() {
                    let cells: Vec<String> = row.iter().map(|cell| markdown(cell)).collect();
                    let _ = writeln!(self.text, "| {} |", cells.join(" | "));
                    if index == 0 {
                        let marks: Vec<&str> =
                            alignment.chars().map(|c| if c == '>' { "---:" } else { "---" }).collect();
                        let _ = writeln!(self.text, "| {} |", marks.join(" | "));
                    }
                }
            }
        }
    }

    fn runs(&mut self, comparison: &Comparison) {
        self.heading("Runs");
        let mut rows = vec![["", "run", "status", "epochs", "parameters", "time"].map(String::from).to_vec()];
        for run in &comparison.runs {
            let kept = run.best_epoch.map(|best| format!(", weights of {best}")).unwrap_or_default();
            let status = format!("{:?}", run.status).to_lowercase();
            rows.push(vec![
                run.letter.clone(),
                run.path.clone(),
                run.reason.as_ref().map_or(status.clone(), |reason| format!("{status}: {reason}")),
                format!("{} of {}{kept}", run.epochs_done, run.epochs),
                figure::grouped(run.parameters),
                figure::duration(run.seconds),
            ]);
        }
        self.table("<<<<>>", &rows);
    }

    fn configuration(&mut self, comparison: &Comparison) {
        self.heading("What differs");
        let letters = comparison.runs.iter().map(|run| run.letter.clone());
        let mut rows = vec![std::iter::once(String::new()).chain(letters).collect::<Vec<_>>()];
        for setting in comparison.configuration.iter().chain(&comparison.surroundings) {
            let values = setting.values.iter().map(|value| value.clone().unwrap_or_else(|| "–".to_owned()));
            rows.push(std::iter::once(setting.key.clone()).chain(values).collect());
        }
        if rows.len() > 1 {
            self.table(&"<".repeat(rows[0].len()), &rows);
        }
        if comparison.configuration.is_empty() && comparison.unread.is_empty() {
            self.paragraph("Their configuration is the same.");
        }
        for letter in &comparison.unread {
            self.paragraph(&format!("The configuration of {letter} cannot be read, so what differs isn't known."));
        }
    }

    fn metrics(&mut self, comparison: &Comparison) {
        self.heading("Figures");
        if comparison.metrics.is_empty() {
            self.paragraph("No run has any.");
            return;
        }
        let first = &comparison.runs[0].letter;
        let mut headings = vec![String::new()];
        for (index, run) in comparison.runs.iter().enumerate() {
            headings.push(run.letter.clone());
            if index > 0 {
                headings.push(format!("{} \u{2212} {first}", run.letter));
            }
        }
        let alignment: String = std::iter::once('<').chain(std::iter::repeat_n('>', headings.len() - 1)).collect();
        let mut rows = vec![headings];
        for metric in &comparison.metrics {
            let mut row = vec![figure::in_words(&metric.name)];
            for (index, value) in metric.values.iter().enumerate() {
                row.push(value.as_ref().map_or("–".to_owned(), |value| cell(&metric.name, value)));
                if index > 0 {
                    row.push(
                        value
                            .as_ref()
                            .and_then(|v| v.difference)
                            .map_or(String::new(), |d| figure::difference(&metric.name, d)),
                    );
                }
            }
            rows.push(row);
        }
        self.table(&alignment, &rows);
        let values = comparison.metrics.iter().flat_map(|metric| metric.values.iter().flatten());
        let star = if values.into_iter().any(|value| value.best) { " A star marks the best." } else { "" };
        self.paragraph(&format!("In brackets: 95% intervals.{star}"));
        for test in &comparison.tests {
            self.finding(&test.words);
        }
        for note in notes(comparison) {
            self.paragraph(&note);
        }
    }

    fn curves(&mut self, comparison: &Comparison) {
        if comparison.curves.is_empty() {
            return;
        }
        self.heading("Curves");
        let mut rows = vec![["", "", "by epoch, on one scale", "first", "last"].map(String::from).to_vec()];
        for curve in &comparison.curves {
            let range = curve.range();
            let drawn = comparison.runs.iter().zip(&curve.runs).filter(|(_, points)| !points.is_empty());
            for (index, (run, points)) in drawn.enumerate() {
                let name = if index == 0 { figure::in_words(&curve.figure) } else { String::new() };
                let value =
                    |point: Option<&(usize, f64)>| point.map_or(String::new(), |p| figure::of(&curve.figure, p.1));
                let line = sparkline(points, range, SPARKS);
                rows.push(vec![name, run.letter.clone(), line, value(points.first()), value(points.last())]);
            }
        }
        self.table("<<<>>", &rows);
    }

    fn changes(&mut self, comparison: &Comparison, examples: usize) {
        let tested: Vec<_> = comparison
            .tests
            .iter()
            .filter_map(|test| match &test.outcome {
                Outcome::Tested(sides) => Some((test, sides)),
                Outcome::Untested(_) | Outcome::Measured(_) => None,
            })
            .collect();
        if tested.is_empty() {
            return;
        }
        self.heading("Examples that changed sides");
        for (test, sides) in tested {
            self.paragraph(&counts(sides, &test.first, &test.second));
            for (changed, right, wrong) in
                [(&sides.lost, &test.first, &test.second), (&sides.gained, &test.second, &test.first)]
            {
                if changed.is_empty() || examples == 0 {
                    continue;
                }
                let shown = changed.len().min(examples);
                let rest =
                    if shown < changed.len() { format!("; {shown} of {}", changed.len()) } else { String::new() };
                self.paragraph(&format!("Right in {right}, wrong in {wrong}, the most confidently wrong first{rest}:"));
                let mut rows = vec![vec!["example".to_owned(), "is".into(), test.first.clone(), test.second.clone()]];
                for example in changed.iter().take(shown) {
                    let said =
                        |said: &super::Said| format!("{} ({})", said.class, figure::percent(said.confidence.into(), 1));
                    rows.push(vec![
                        example.index.to_string(),
                        example.label.clone(),
                        said(&example.first),
                        said(&example.second),
                    ]);
                }
                if self.form == Form::Markdown {
                    self.text.push('\n');
                }
                self.table("><<<", &rows);
            }
        }
    }
}

/// How many examples stand on which side.
pub fn counts(sides: &Sides, first: &str, second: &str) -> String {
    format!(
        "Of {}: right in both {}, only in {first} {}, only in {second} {}, in neither {}.",
        figure::counted(sides.examples, "test example", "test examples"),
        figure::count(sides.both_right),
        figure::count(sides.lost.len()),
        figure::count(sides.gained.len()),
        figure::count(sides.both_wrong),
    )
}

/// What is to be borne in mind.
pub fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    if comparison.tests.iter().any(|test| matches!(test.outcome, Outcome::Tested(_))) {
        notes.push(
            "The test is McNemar's, exact and two-sided: p is the chance of such a difference or a larger one on these \
             test examples if both models were equally good. It judges the models that these runs trained; with other \
             seeds the same pipelines may come out otherwise."
                .to_owned(),
        );
    }
    if comparison.tests.iter().any(|test| matches!(test.outcome, Outcome::Measured(_))) {
        notes.push(
            "The test is Wilcoxon's signed-rank test of the differences between the absolute errors, two-sided: p is the \
             chance of differences as uneven or more on these test examples if either model were as likely to be nearer. It \
             judges the models that these runs trained; with other seeds the same pipelines may come out otherwise."
                .to_owned(),
        );
    }
    let optimistic = comparison.optimistic();
    if !optimistic.is_empty() {
        notes.push(format!(
            "{} validated on the test examples themselves, which makes {} test figures optimistic.",
            optimistic.join(", "),
            if optimistic.len() == 1 { "its" } else { "their" }
        ));
    }
    notes
}

/// A value with its interval and its star.
fn cell(name: &str, value: &Value) -> String {
    let interval = value.interval.map(|bounds| format!(" ({})", figure::interval_of(name, bounds))).unwrap_or_default();
    format!("{}{interval}{}", figure::of(name, value.value), if value.best { " *" } else { "  " })
        .trim_start()
        .to_owned()
}

/// Text within a paragraph or a cell of GitHub's Markdown.
fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    for c in printable(text.trim()).chars() {
        if "\\`*_{}[]<>|#~&".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
