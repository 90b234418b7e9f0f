//! Gates: whether what a run came to is what was expected, and how CI is told.
//!
//! [`baseline()`] finds what figures are measured against, [`judge()`] judges them. A [`Suite`] holds what was asked of one
//! run, whatever asked; [`junit()`], [`markdown()`] and [`github()`] write suites as other programs read them.

mod baseline;
mod github;
mod judge;
mod junit;
mod markdown;

pub use baseline::baseline;
pub use github::github;
pub use judge::judge;
pub use junit::junit;
pub use markdown::markdown;

use crate::{
    diagnostic::{Diagnostic, Place, SourceMap, position::ColumnUnit},
    path,
    run::{ExpectationResult, Judgement, Numbers, RunInfo, Status},
    spec::load::Sound,
};
use std::path::{Path, PathBuf};

/// What was asked of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suite {
    /// The pipeline's name.
    pub name: String,
    /// The pipeline's file, as the user named it.
    pub file: Option<PathBuf>,
    /// The run's directory.
    pub run: Option<PathBuf>,
    /// How long it took.
    pub seconds: f64,
    /// What was asked, in order.
    pub cases: Vec<Case>,
}

/// One thing that was asked, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it is about: `trains`, or a figure.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether the whole fails by it.
    pub counts_as_failure: bool,
    /// What there is to say of it besides; may be empty.
    pub said: String,
    /// What was asked, as it goes on behind the name: `at least 0.7`; may be empty.
    pub asked: String,
    /// What it came to: `0.7213`; may be empty.
    pub value: String,
    /// Where it was asked: a file, the line and the column, both from 1.
    pub place: Option<(PathBuf, usize, usize)>,
    /// How long it took.
    pub seconds: f64,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It doesn't hold.
    Failed,
    /// It cannot be said whether it holds.
    Inconclusive,
    /// What it takes to say so went wrong.
    Error,
    /// It wasn't looked at.
    Skipped,
}

impl Suite {
    /// That of a pipeline that could not be run: a case for each of `problems` that is an error, whose places point into
    /// `sources`.
    pub fn of_problems<'a>(
        file: &Path,
        sources: &SourceMap,
        problems: impl IntoIterator<Item = &'a Diagnostic>,
    ) -> Self {
        let case = |problem: &Diagnostic| {
            let label = problem.labels.first();
            let place = label.and_then(|label| place_of(label.place, sources));
            let said = std::iter::once(&problem.message).chain(&problem.notes).cloned().collect::<Vec<_>>().join("; ");
            let place = place.or_else(|| Some((file.to_owned(), 1, 1)));
            Case { said, place, ..Case::new(problem.code.name(), Outcome::Error) }
        };
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let cases = problems.into_iter().filter(|problem| problem.is_error()).map(case).collect();
        Suite { name, file: Some(file.to_owned()), cases, ..Suite::default() }
    }

    /// Whether a case counts as failure.
    pub fn fails(&self) -> bool {
        self.cases.iter().any(|case| case.counts_as_failure)
    }
}

impl Case {
    /// A case of which nothing more is known; it fails unless it passed or wasn't looked at.
    pub fn new(name: impl Into<String>, outcome: Outcome) -> Self {
        Case {
            name: name.into(),
            outcome,
            counts_as_failure: !matches!(outcome, Outcome::Passed | Outcome::Skipped),
            said: String::new(),
            asked: String::new(),
            value: String::new(),
            place: None,
            seconds: 0.0,
        }
    }

    /// The outcome in words, such as `inconclusive, counts as failed`.
    pub fn verdict(&self) -> &'static str {
        match (self.outcome, self.counts_as_failure) {
            (Outcome::Passed, _) => "passed",
            (Outcome::Failed, true) => "failed",
            (Outcome::Failed, false) => "failed, counts as passed",
            (Outcome::Inconclusive, true) => "inconclusive, counts as failed",
            (Outcome::Inconclusive, false) => "inconclusive, counts as passed",
            (Outcome::Error, _) => "error",
            (Outcome::Skipped, _) => "skipped",
        }
    }

    /// All of it: `test_accuracy at least 0.7: failed (0.6813)`.
    pub fn sentence(&self) -> String {
        let asked = if self.asked.is_empty() { String::new() } else { format!(" {}", self.asked) };
        let more: Vec<&str> = [&*self.value, &*self.said].into_iter().filter(|text| !text.is_empty()).collect();
        let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
        format!("{}{asked}: {}{more}", self.name, self.verdict())
    }
}

/// The suite of the run in `directory`: that it trains, and each of its expectations. `sound` is its pipeline, whose places
/// point into `sources`.
pub fn suite_of_run(info: &RunInfo, directory: &Path, sources: &SourceMap, sound: &Sound) -> Suite {
    let judged = |figure: &str| info.expectations.iter().find(|result| result.figure == figure);
    let expected = sound.pipeline.expect.keys().map(|figure| Case {
        place: place(figure, sources, sound),
        ..judged(figure).map_or_else(|| unjudged(figure), case_of_expectation)
    });
    Suite {
        name: info.name.clone(),
        file: sources.texts().next().and_then(|text| text.path.clone()),
        run: Some(directory.to_owned()),
        seconds: info.timings.total,
        cases: [trains(info)].into_iter().chain(expected).collect(),
    }
}

/// Whether the run came to its end.
fn trains(info: &RunInfo) -> Case {
    let (outcome, end) = match info.status {
        Status::Completed => (Outcome::Passed, "completed after"),
        Status::Interrupted => (Outcome::Error, "interrupted after"),
        Status::Failed => (Outcome::Error, "failed after"),
        Status::Running => (Outcome::Error, "still running after"),
    };
    let epochs = info.training.epochs_done;
    Case {
        said: info.reason.clone().filter(|_| outcome != Outcome::Passed).unwrap_or_default(),
        value: format!("{end} {epochs} {}", if epochs == 1 { "epoch" } else { "epochs" }),
        seconds: info.timings.total,
        ..Case::new("trains", outcome)
    }
}

/// An expectation as it was judged.
pub fn case_of_expectation(result: &ExpectationResult) -> Case {
    let numbers = Numbers::PLAIN;
    let interval = result.interval.map(|(low, high)| {
        let (low, high) = ((numbers.value)(low), (numbers.value)(high));
        format!("; 95% interval {low} to {high}")
    });
    let outcome = match result.judgement() {
        Judgement::Passed => Outcome::Passed,
        Judgement::Failed => Outcome::Failed,
        Judgement::Inconclusive => Outcome::Inconclusive,
    };
    Case {
        counts_as_failure: !result.met,
        // That it wasn't produced is its value.
        said: result.doubt().filter(|_| result.value.is_some()).unwrap_or_default().to_owned(),
        asked: result.asked(&numbers),
        value: result.came_to(&numbers) + &interval.unwrap_or_default(),
        ..Case::new(result.figure.as_str(), outcome)
    }
}

/// An expectation of a run that didn't come that far.
fn unjudged(figure: &str) -> Case {
    Case { said: "the run wasn't evaluated".to_owned(), ..Case::new(figure, Outcome::Skipped) }
}

/// Where a figure's expectation stands; a flag lies in no file.
fn place(figure: &str, sources: &SourceMap, sound: &Sound) -> Option<(PathBuf, usize, usize)> {
    place_of(sound.tree.key_place_of(path!["expect", figure]).place, sources)
}

/// The file, the line and the column of a place; a flag lies in no file.
fn place_of(place: Place, sources: &SourceMap) -> Option<(PathBuf, usize, usize)> {
    let file = sources.text(place.text).path.clone()?;
    let (start, _) = sources.positions(place, ColumnUnit::Characters);
    Some((file, start.line, start.column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::sample::sample, run::Baseline};

    /// A case in each state that there is, with names that mean something in every format.
    pub(super) fn suites() -> Vec<Suite> {
        let case = |name: &str, outcome: Outcome, counts_as_failure: bool| Case {
            name: name.to_owned(),
            outcome,
            counts_as_failure,
            said: String::new(),
            asked: "at least 0.7".to_owned(),
            value: "0.6813".to_owned(),
            place: Some(("pipelines/a, b: c.yaml".into(), 12, 3)),
            seconds: 0.25,
        };
        let said = |said: &str, case: Case| Case { said: said.to_owned(), ..case };
        let hostile = "test_recall[<b>|`x`\u{1b}[31m\u{0}\u{ffff}\"&'%0A::error::\n]]>";
        vec![
            Suite {
                name: "digits".to_owned(),
                file: Some("pipelines/a, b: c.yaml".into()),
                run: Some("runs/digits/20261123-230512-7f3a".into()),
                seconds: 12.5,
                cases: vec![
                    Case { place: None, asked: String::new(), ..case("trains", Outcome::Passed, false) },
                    case("test_accuracy", Outcome::Failed, true),
                    said("the interval lies on both sides of a bound", case("test_loss", Outcome::Inconclusive, true)),
                    case("val_loss", Outcome::Inconclusive, false),
                    said(hostile, case(hostile, Outcome::Failed, true)),
                ],
            },
            Suite {
                name: "broken".to_owned(),
                seconds: f64::NAN,
                cases: vec![
                    said("no memory", Case { place: None, ..case("trains", Outcome::Error, true) }),
                    said("the run wasn't evaluated", case("test_accuracy", Outcome::Skipped, false)),
                ],
                ..Suite::default()
            },
        ]
    }

    #[test]
    fn an_expectation_is_said_in_a_sentence() {
        let mut result = sample().info.expectations.remove(0);
        (result.value, result.interval) = (Some(0.7213), Some((0.712, 0.73)));
        let sentence = |result: &ExpectationResult| case_of_expectation(result).sentence();
        assert_eq!(sentence(&result), "test_accuracy at least 0.7: passed (0.7213; 95% interval 0.7120 to 0.7300)");
        (result.met, result.outcome) = (false, Some(Judgement::Inconclusive));
        result.min = Some(0.72);
        assert_eq!(
            sentence(&result),
            "test_accuracy at least 0.72: inconclusive, counts as failed (0.7213; 95% interval 0.7120 to 0.7300; the \
             interval lies on both sides of a bound)"
        );
        (result.value, result.interval, result.met) = (None, None, true);
        result.min = None;
        result.max_drop = Some(0.01);
        result.baseline = Some(Baseline { name: "digits.lock".to_owned(), value: 0.75 });
        assert_eq!(
            sentence(&result),
            "test_accuracy at most 0.01 below 0.7500 (digits.lock): inconclusive, counts as passed (not produced)"
        );
    }

    #[test]
    fn a_run_is_a_case_and_so_is_each_expectation() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("digits.yaml");
        let expect = "expect:\n  test_accuracy: {min: 0.7}\n  val_loss: {max: 1}\n";
        std::fs::write(&file, format!("{}{expect}", crate::diagnostic::EXAMPLE_BASE)).unwrap();
        let loaded = crate::spec::load(&file, &["expect.test_loss.max=2".to_owned()]);
        let sound = loaded.pipeline.unwrap();
        let mut info = sample().info;
        let suite = suite_of_run(&info, home.path(), &loaded.sources, &sound);
        assert_eq!((&suite.file, suite.cases.len()), (&Some(file.clone()), 4));
        assert_eq!(suite.cases[0].sentence(), "trains: passed (completed after 12 epochs)");
        assert_eq!((suite.cases[1].outcome, &suite.cases[1].place), (Outcome::Passed, &Some((file, 12, 3))));
        assert_eq!((suite.cases[2].outcome, &suite.cases[2].place), (Outcome::Skipped, &None), "named by a flag");
        assert!(!suite.fails());

        (info.status, info.reason) = (Status::Failed, Some("the loss is no number any more".to_owned()));
        info.expectations.clear();
        info.training.epochs_done = 1;
        let suite = suite_of_run(&info, home.path(), &loaded.sources, &sound);
        assert_eq!(suite.cases[0].sentence(), "trains: error (failed after 1 epoch; the loss is no number any more)");
        assert!(suite.cases[1..].iter().all(|case| case.outcome == Outcome::Skipped) && suite.fails());
    }
}
