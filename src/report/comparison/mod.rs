//! Several runs against the first of them: what differs in their configuration, their figures, their curves, and on
//! which test examples they differ. Like a report, it is made from what the runs left, and from nothing else.

mod changes;
mod configuration;
mod curves;
mod distances;
mod page;
mod text;

pub use changes::{Changed, Outcome, Said, Sides, Test};
pub use configuration::Setting;
pub use curves::Curve;
pub(super) use curves::curves;
pub use distances::Distances;
pub(super) use page::curves as curves_part;
pub use page::render as page;
pub use text::{Form, render as text};

use crate::{
    diagnostic::Result,
    evaluation::Answers,
    report::figure,
    run::{
        EpochRecord, Figures, RunDirectory, RunInfo, Status, read_answers,
        store::{kept_epoch, smaller_is_better},
    },
    spec,
};
use serde::Serialize;
use serde_json::Value as Json;
use std::path::PathBuf;

/// A run with all that a comparison looks at.
pub struct Compared {
    /// Its directory.
    pub path: PathBuf,
    /// `run.json`
    pub info: RunInfo,
    /// `history.csv`
    pub history: Vec<EpochRecord>,
    /// The figures of `evaluation.json`, where it came that far.
    pub figures: Option<Figures>,
    /// The resolved pipeline; `None` where this program cannot read it.
    pub pipeline: Option<Json>,
    /// What it said of the test examples, or why there is nothing.
    pub answers: Result<Answers, String>,
}

impl Compared {
    /// Reads a run.
    ///
    /// # Errors
    /// Where its record isn't what a run writes.
    pub fn read(directory: &RunDirectory) -> Result<Self> {
        let info = directory.read_info()?;
        let loaded = spec::load(&directory.file("resolved.yaml"), &[]);
        let json = |sound: spec::load::Sound| serde_json::to_value(&sound.pipeline).expect("a pipeline is plain data");
        Ok(Compared {
            path: directory.path().to_owned(),
            history: directory.read_history()?,
            figures: directory.read_figures()?,
            pipeline: loaded.pipeline.map(json),
            answers: answers(directory, &info),
            info,
        })
    }
}

/// What a run said of the test examples, or why there is nothing, to be read behind the run's letter.
fn answers(directory: &RunDirectory, info: &RunInfo) -> Result<Answers, String> {
    let path = directory.file("predictions.parquet");
    let (Some(data), true) = (&info.data, path.exists()) else {
        return Err(match info.status {
            Status::Running => "is still running",
            Status::Failed => "failed before it was evaluated",
            Status::Interrupted => "was interrupted before it was evaluated",
            Status::Completed => "has no predictions",
        }
        .to_owned());
    };
    read_answers(&path, data).map_err(|_| "has predictions that are damaged".to_owned())
}

/// Runs beside each other.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The runs, in the order in which they were named.
    pub runs: Vec<Run>,
    /// What differs in their configuration, as far as it can be read.
    pub configuration: Vec<Setting>,
    /// What differs around them: data, machine, program.
    pub surroundings: Vec<Setting>,
    /// The letters of those whose configuration this program cannot read.
    pub unread: Vec<String>,
    /// Their figures.
    pub metrics: Vec<Metric>,
    /// Their figures by epoch.
    pub curves: Vec<Curve>,
    /// Each of the others against the first.
    pub tests: Vec<Test>,
}

/// One of the runs.
#[derive(Debug, Serialize)]
pub struct Run {
    /// What it is called here: `A`.
    pub letter: String,
    /// Its directory.
    pub path: String,
    /// The pipeline's name.
    pub name: String,
    /// The directory's own name.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// Why it failed or was interrupted.
    pub reason: Option<String>,
    /// When it began, RFC 3339.
    pub started: String,
    /// Whole epochs done.
    pub epochs_done: usize,
    /// The most epochs it may take.
    pub epochs: usize,
    /// The epoch whose weights were kept, where they aren't the last ones.
    pub best_epoch: Option<usize>,
    /// Numbers that the model keeps.
    pub parameters: u64,
    /// Seconds from start to end.
    pub seconds: f64,
    /// What it validated on.
    pub validation: Option<String>,
}

/// A figure of all runs.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// `test_accuracy`
    pub name: String,
    /// Whether a smaller value is the better one.
    pub smaller_is_better: bool,
    /// The runs' values; `None` for a run without one.
    pub values: Vec<Option<Value>>,
}

/// A run's value of a figure.
#[derive(Debug, Serialize)]
pub struct Value {
    /// The value itself.
    pub value: f64,
    /// Its 95% interval.
    pub interval: Option<(f64, f64)>,
    /// By how much it is larger than the first run's.
    pub difference: Option<f64>,
    /// Whether no run has a better one, and some run a worse one; differences of rounding don't count.
    pub best: bool,
}

impl Comparison {
    /// Compares runs with the first of them.
    pub fn new(runs: &[Compared]) -> Self {
        let letters: Vec<String> = (0..runs.len()).map(letter).collect();
        let unread = runs.iter().zip(&letters).filter(|(run, _)| run.pipeline.is_none());
        Comparison {
            runs: runs.iter().zip(&letters).map(|(run, letter)| run.shown(letter)).collect(),
            configuration: configuration::differing(runs),
            surroundings: configuration::surroundings(runs),
            unread: unread.map(|(_, letter)| letter.clone()).collect(),
            metrics: metrics(runs),
            curves: curves(runs),
            tests: changes::tests(runs, &letters),
        }
    }

    /// The letters of the runs that validated on the examples they were tested on.
    fn optimistic(&self) -> Vec<&str> {
        let on_test = self.runs.iter().filter(|run| run.validation.as_deref() == Some("test"));
        on_test.map(|run| run.letter.as_str()).collect()
    }
}

impl Compared {
    fn shown(&self, letter: &str) -> Run {
        let info = &self.info;
        Run {
            letter: letter.to_owned(),
            path: self.path.display().to_string(),
            name: info.name.clone(),
            id: info.id.clone(),
            status: info.status,
            reason: info.reason.clone(),
            started: info.started.clone(),
            epochs_done: info.training.epochs_done,
            epochs: info.training.epochs,
            best_epoch: info.training.best_epoch,
            parameters: info.parameters(),
            seconds: info.timings.total,
            validation: info.data.as_ref().map(|data| data.validation_kind.clone()),
        }
    }

    /// A figure of the evaluation, or else of the epoch whose weights were kept.
    fn figure(&self, name: &str) -> Option<(f64, Option<(f64, f64)>)> {
        let tested = self.figures.as_ref().and_then(|f| Some((*f.metrics.get(name)?, f.interval(name))));
        let trained = || Some((kept_epoch(&self.info, &self.history)?.figure(name)?, None));
        tested.or_else(trained).filter(|(value, _)| value.is_finite())
    }
}

/// `A` to `Z`, then `AA`.
fn letter(index: usize) -> String {
    let last = char::from(b'A' + (index % 26) as u8);
    if index < 26 { last.to_string() } else { format!("{}{last}", letter(index / 26 - 1)) }
}

/// All figures of the evaluation but those of single classes, and the validation figures of the weights kept.
fn metrics(runs: &[Compared]) -> Vec<Metric> {
    let mut names: Vec<&str> = Vec::new();
    let tested = runs.iter().flat_map(|run| run.figures.iter().flat_map(|figures| figures.metrics.keys()));
    let trained = runs.iter().flat_map(|run| run.history.iter().take(1).flat_map(|epoch| &epoch.figures));
    let validated = trained.map(|(name, _)| name).filter(|name| name.starts_with("val_"));
    for name in tested.chain(validated).filter(|name| !name.contains('[')) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (name.starts_with("val_"), figure::rank(name)));
    names.into_iter().map(|name| metric(name, runs)).filter(|m| m.values.iter().any(Option::is_some)).collect()
}

/// By how much, of the larger one, two figures may differ that are the same but for the order of floating-point sums.
const ROUNDING: f64 = 1e-6;

fn metric(name: &str, runs: &[Compared]) -> Metric {
    let smaller_is_better = smaller_is_better(name);
    let found: Vec<_> = runs.iter().map(|run| run.figure(name)).collect();
    let numbers = || found.iter().flatten().map(|(value, _)| *value);
    let (least, most) = (numbers().fold(f64::INFINITY, f64::min), numbers().fold(f64::NEG_INFINITY, f64::max));
    let best = if smaller_is_better { least } else { most };
    // The same sums added up in another order: nobody is the better for that.
    let alike = |one: f64, other: f64| (one - other).abs() <= ROUNDING * one.abs().max(other.abs());
    let first = found[0].map(|(value, _)| value);
    let values = found.iter().enumerate().map(|(index, found)| {
        found.map(|(value, interval)| Value {
            value,
            interval,
            difference: first.filter(|_| index > 0).map(|first| value - first),
            best: alike(value, best) && !alike(least, most),
        })
    });
    Metric { name: name.to_owned(), smaller_is_better, values: values.collect() }
}

#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests {
    use super::{
        sample::{compared, estimated, predictions_of, three},
        *,
    };

    fn told(runs: &[Compared]) -> Vec<String> {
        Comparison::new(runs).tests.into_iter().map(|test| test.words).collect()
    }

    #[test]
    fn a_comparison_reads_alike_on_a_terminal_and_as_markdown() {
        let comparison = Comparison::new(&three());
        insta::assert_snapshot!("terminal", text(&comparison, Form::Terminal, 2));
        insta::assert_snapshot!("markdown", text(&comparison, Form::Markdown, 2));
    }

    #[test]
    fn the_words_say_no_more_than_the_test() {
        let against = |wrong: &[usize]| {
            let first = compared(0, &[0, 1, 2, 3, 4, 5, 6, 7], "seed=1");
            told(&[first, compared(1, wrong, "seed=2")]).remove(0)
        };
        // 2 / 2^8, and 2 (1 + 9) / 2^9 the other way round.
        assert_eq!(
            against(&[]),
            "B is better than A by 40.00 points (100.00% against 60.00%); a difference this large by chance: p = 0.008."
        );
        let worse: Vec<usize> = (0..16).collect();
        assert!(against(&worse).starts_with("A is better than B by 40.00 points (60.00% against 20.00%);"));
        assert_eq!(
            against(&[0, 1, 2, 3, 4, 5]),
            "B is ahead of A by 10.00 points (70.00% against 60.00%), but these examples don't show that it is better; \
             a difference this large by chance: p = 0.50."
        );
        assert_eq!(
            against(&[0, 1, 2, 3, 4, 5, 6, 9]),
            "A and B are right equally often (60.00%), though not on the same examples: neither is better."
        );
        assert_eq!(
            against(&[0, 1, 2, 3, 4, 5, 6, 7]),
            "A and B are right on the same examples: the test data tell no difference."
        );
    }

    #[test]
    fn what_cannot_be_paired_is_not_tested() {
        let pair = |change: fn(&mut Compared)| {
            let mut other = compared(1, &[1], "seed=2");
            change(&mut other);
            told(&[compared(0, &[0], "seed=1"), other]).remove(0)
        };
        let other_data = pair(|run| run.info.data.as_mut().unwrap().digest = "0".repeat(64));
        assert!(other_data.starts_with("B isn't tested against A: they were tested on different data"), "{other_data}");
        let other_labels = pair(|run| predictions_of(run).unwrap().labels[3] = 1);
        assert_eq!(other_labels, "B isn't tested against A: their test examples aren't the same ones.");
        let other_classes = pair(|run| predictions_of(run).unwrap().classes[0] = "lion".into());
        assert_eq!(other_classes, "B isn't tested against A: their classes aren't the same.");
        let none = pair(|run| run.answers = Err("has no predictions".into()));
        assert_eq!(none, "B isn't tested against A: B has no predictions.");
        let nothing = pair(|run| {
            let predictions = predictions_of(run).unwrap();
            predictions.labels.clear();
            predictions.predicted.clear();
        });
        assert!(nothing.contains("their test examples"), "{nothing}");
    }

    #[test]
    fn predicted_numbers_are_compared_by_their_distances() {
        let against = |off: &[f32]| told(&[estimated(0, &[2.0; 8]), estimated(1, off)]).remove(0);
        assert_eq!(
            against(&[1.0, 0.5, 1.5, 0.25, 1.75, -1.0, 0.0, 1.25]),
            "B is nearer than A: a mean absolute error of 0.9062 against 2.0000, nearer on 8 examples and farther on none; a \
             difference this large by chance: p = 0.008."
        );
        assert_eq!(
            against(&[1.0, 1.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0]),
            "A is ahead of B: a mean absolute error of 2.0000 against 2.1250, nearer on 3 examples and farther on 2, but these \
             examples don't show that it is better; a difference this large by chance: p = 1.00."
        );
        assert_eq!(
            against(&[2.0; 8]),
            "A and B are equally far off on every example: the test data tell no difference."
        );
        let mut other = estimated(1, &[1.0; 8]);
        other.answers = three().remove(0).answers;
        assert!(told(&[estimated(0, &[1.0; 8]), other]).remove(0).contains("isn't tested against A"));
        let comparison = Comparison::new(&[estimated(0, &[2.0; 8]), estimated(1, &[1.0; 8])]);
        assert!(text(&comparison, Form::Terminal, 2).contains("Wilcoxon's signed-rank test"));
        assert!(page(&comparison, 2).unwrap().contains("B is nearer than A"));
    }

    #[test]
    fn several_tests_are_judged_together() {
        let first = compared(0, &[0, 1, 2, 3, 4, 5], "seed=1");
        let alone = Comparison::new(&[first, compared(1, &[], "seed=2")]);
        let Outcome::Tested(sides) = &alone.tests[0].outcome else { panic!() };
        assert!(sides.significant && (sides.p - 0.03125).abs() < 1e-12);
        let all: Vec<Compared> = std::iter::once(compared(0, &[0, 1, 2, 3, 4, 5], "seed=1"))
            .chain((1..4).map(|place| compared(place, &[], "seed=2")))
            .collect();
        let together = Comparison::new(&all);
        for test in &together.tests {
            let Outcome::Tested(sides) = &test.outcome else { panic!() };
            assert!(!sides.significant && (sides.p_adjusted - 3.0 * 0.03125).abs() < 1e-12);
            assert!(test.words.ends_with("p = 0.094, raised for 3 tests."), "{}", test.words);
        }
    }

    #[test]
    fn the_most_confidently_wrong_come_first_and_the_best_are_marked() {
        let comparison = Comparison::new(&three());
        let Outcome::Tested(sides) = &comparison.tests[0].outcome else { panic!() };
        let indices = |changed: &[Changed]| changed.iter().map(|example| example.index).collect::<Vec<_>>();
        assert_eq!(indices(&sides.gained), [0, 1, 2, 4, 5, 6, 7, 12]);
        assert_eq!((indices(&sides.lost), sides.both_wrong, sides.both_right), (vec![], 1, 11));
        let best = |name: &str| {
            let metric = comparison.metrics.iter().find(|metric| metric.name == name).unwrap();
            metric.values.iter().map(|value| value.as_ref().is_some_and(|value| value.best)).collect::<Vec<_>>()
        };
        assert_eq!(best("test_accuracy"), [false, true, false]);
        assert_eq!(best("test_loss"), [false, true, false]);
    }

    #[test]
    fn runs_of_equal_figures_have_no_best() {
        let comparison = Comparison::new(&[compared(0, &[0], "seed=1"), compared(0, &[0], "seed=1")]);
        assert!(comparison.configuration.is_empty());
        assert!(comparison.metrics.iter().flat_map(|m| m.values.iter().flatten()).all(|value| !value.best));
    }

    #[test]
    fn rounding_makes_nobody_the_best() {
        let best = |factor: f64| {
            let mut runs = [compared(0, &[0], "seed=1"), compared(1, &[0], "seed=1")];
            for value in runs[1].figures.as_mut().unwrap().metrics.values_mut() {
                *value *= factor;
            }
            let metrics = Comparison::new(&runs).metrics;
            let loss = metrics.into_iter().find(|metric| metric.name == "test_loss").unwrap();
            loss.values.iter().flatten().map(|value| value.best).collect::<Vec<_>>()
        };
        assert_eq!((best(1.0 - 6e-9), best(1.0 - 1e-5)), (vec![false, false], vec![false, true]));
    }

    #[test]
    fn the_page_escapes_what_users_wrote_and_loads_nothing() {
        const HOSTILE: &str = "<script>alert(1)</script>";
        let mut runs = three();
        runs[1].info.name = HOSTILE.into();
        runs[2].info.reason = Some(HOSTILE.into());
        runs[0].path = HOSTILE.into();
        for run in &mut runs {
            if let Some(predictions) = predictions_of(run) {
                predictions.classes[1] = HOSTILE.into();
            }
            for epoch in &mut run.history {
                epoch.figures.push((HOSTILE.into(), 0.5));
            }
        }
        let html = page(&Comparison::new(&runs), 20).unwrap();
        let script = include_str!("../../../templates/report.js");
        let ours = [format!("<script>{script}</script>"), "<script type=\"application/json\"".to_owned()];
        let without = ours.iter().fold(html.clone(), |html, ours| {
            assert_eq!(html.matches(ours.as_str()).count(), 1);
            html.replace(ours.as_str(), "")
        });
        for forbidden in ["<script", "<link", "src=", "url(", "@import", " style=", " onclick="] {
            assert!(!without.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("&lt;script&gt;"));
        for id in ["differences", "figures", "curves", "changes"] {
            assert!(html.contains(&format!("<section id=\"{id}\"")), "{id}");
        }
        assert_eq!(html, page(&Comparison::new(&runs), 20).unwrap());
    }

    #[test]
    fn letters_go_on_behind_z() {
        assert_eq!([0, 25, 26, 52, 702].map(letter), ["A", "Z", "AA", "BA", "AAA"]);
    }
}
