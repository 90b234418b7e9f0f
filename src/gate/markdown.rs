//! Suites as a table, for a pull request or the summary of a job.

use super::{Case, Outcome, Suite};
use crate::report::markdown_escaped as escaped;
use std::fmt::Write;

/// The verdict, and a table of all cases, in GitHub's Markdown.
pub fn markdown(suites: &[Suite]) -> String {
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let verdict = if suites.iter().any(Suite::fails) { "✗ Failed" } else { "✓ Passed" };
    let counts = [
        (Outcome::Failed, "failed"),
        (Outcome::Error, "in error"),
        (Outcome::Inconclusive, "inconclusive"),
        (Outcome::Passed, "passed"),
        (Outcome::Skipped, "skipped"),
    ];
    let counts = counts.into_iter().filter_map(|(outcome, word)| {
        let count = cases().filter(|case| case.outcome == outcome).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    let mut text = format!("**{verdict}**: {}\n", counts.collect::<Vec<_>>().join(", "));
    text.push_str("\n| Verdict | Pipeline | What | Asked | Came to |\n|---|---|---|---|---|\n");
    for suite in suites {
        for case in &suite.cases {
            let cells = [&*suite.name, &case.name, &case.asked, &came_to(case)].map(escaped);
            let _ = writeln!(text, "| {} | {} |", verdict_of(case), cells.join(" | "));
        }
    }
    text
}

fn verdict_of(case: &Case) -> String {
    let words = case.verdict();
    match (case.counts_as_failure, case.outcome) {
        (true, _) => format!("✗ **{words}**"),
        (false, Outcome::Passed) => format!("✓ {words}"),
        (false, Outcome::Skipped) => format!("– {words}"),
        (false, _) => format!("? {words}"),
    }
}

fn came_to(case: &Case) -> String {
    let parts: Vec<&str> = [&*case.value, &*case.said].into_iter().filter(|text| !text.is_empty()).collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suites, *};

    #[test]
    fn the_verdict_comes_first_and_every_case_is_a_row() {
        let text = markdown(&suites());
        insta::assert_snapshot!(text);
        // No name ends a row or a cell.
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows.len(), 2 + 7);
        for row in rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
        }
    }

    #[test]
    fn what_is_doubtful_and_forgiven_passes() {
        let mut suites = suites();
        suites.truncate(1);
        suites[0].cases.retain(|case| !case.counts_as_failure);
        assert!(markdown(&suites).starts_with("**✓ Passed**: 1 inconclusive, 1 passed\n"));
    }
}
