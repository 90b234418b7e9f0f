//! How a command tells CI what became of what was asked.

use super::context::Output;
use crate::{
    diagnostic::{Result, SourceMap, io_error},
    gate::{self, Case, Outcome, Suite, case_of_expectation},
    run::{ExpectationResult, write_atomically},
    text::printable,
};
use std::{fs::OpenOptions, io::Write, path::PathBuf};

/// Where to tell it besides the terminal.
#[derive(clap::Args)]
pub struct OutcomeArguments {
    /// Write what was asked and what became of it as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the same as a Markdown table, for a pull request.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// How to tell what failed; with `github`, a job's summary gets the table, too.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// How failures are told.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For people, and as annotations of GitHub Actions.
    Github,
}

/// The variable that names the file which GitHub shows as the summary of a job's step.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

impl OutcomeArguments {
    /// Tells what became of `suites` wherever that was wanted.
    ///
    /// # Errors
    /// Where a file cannot be written; all others are.
    pub fn tell(&self, suites: &[Suite], output: &Output) -> Result<()> {
        let mut problems = Vec::new();
        if let Some(path) = &self.junit {
            problems.extend(write_atomically(path, gate::junit(suites).as_bytes()).err());
        }
        if let Some(path) = &self.summary {
            problems.extend(write_atomically(path, gate::markdown(suites).as_bytes()).err());
        }
        if self.format == Format::Github {
            let root = std::env::current_dir().unwrap_or_default();
            for line in gate::github(suites, &root) {
                // GitHub reads both streams; where results are JSON, stdout holds nothing else.
                if output.json { eprintln!("{line}") } else { println!("{line}") }
            }
            problems.extend(add_to_step_summary(suites).err());
        }
        let last = problems.pop();
        problems.iter().for_each(|problem| output.tell(&SourceMap::default(), problem));
        last.map_or(Ok(()), Err)
    }
}

/// Adds the table to the summary of the job's step, to which others add, too.
fn add_to_step_summary(suites: &[Suite]) -> Result<()> {
    let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let added = file.and_then(|mut file| file.write_all(format!("{}\n", gate::markdown(suites)).as_bytes()));
    added.map_err(|error| io_error("write", &path, &error))
}

/// Prints what became of expectations, a line each.
pub fn print_expectations(results: &[ExpectationResult]) {
    results.iter().for_each(|result| println!("{}", printable(&line(&case_of_expectation(result)))));
}

/// `expected test_accuracy at least 0.7: met (0.7213; 95% interval 0.7120 to 0.7300)`
fn line(case: &Case) -> String {
    let verdict = match (case.outcome, case.counts_as_failure) {
        (Outcome::Inconclusive, true) => "INCONCLUSIVE, counts as failed",
        (Outcome::Inconclusive, false) => "inconclusive, counts as passed",
        (_, true) => "NOT MET",
        (_, false) => "met",
    };
    let said = if case.said.is_empty() { String::new() } else { format!("; {}", case.said) };
    format!("expected {} {}: {verdict} ({}{said})", case.name, case.asked, case.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Judgement;

    #[test]
    fn the_terminal_says_what_became_of_an_expectation() {
        let mut result = ExpectationResult {
            figure: "test_accuracy".to_owned(),
            min: Some(0.7),
            value: Some(0.7213),
            interval: Some((0.712, 0.73)),
            met: true,
            outcome: Some(Judgement::Passed),
            ..ExpectationResult::default()
        };
        let said = |result: &ExpectationResult| line(&case_of_expectation(result));
        let figures = "(0.7213; 95% interval 0.7120 to 0.7300";
        assert_eq!(said(&result), format!("expected test_accuracy at least 0.7: met {figures})"));
        (result.met, result.outcome) = (false, Some(Judgement::Failed));
        assert_eq!(said(&result), format!("expected test_accuracy at least 0.7: NOT MET {figures})"));
        result.outcome = Some(Judgement::Inconclusive);
        let doubt = "the interval lies on both sides of a bound";
        assert_eq!(
            said(&result),
            format!("expected test_accuracy at least 0.7: INCONCLUSIVE, counts as failed {figures}; {doubt})")
        );
        (result.value, result.interval, result.met) = (None, None, true);
        assert_eq!(said(&result), "expected test_accuracy at least 0.7: inconclusive, counts as passed (not produced)");
    }
}
