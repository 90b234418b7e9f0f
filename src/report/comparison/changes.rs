//! Which test examples changed sides from one run to another, and whether that is more than chance.

use super::{Compared, Distances, distances};
use crate::{
    evaluation::{
        Answers, Predictions,
        significance::{LEVEL, holm, mcnemar},
    },
    report::figure,
};
use serde::Serialize;

/// A run against the first.
#[derive(Debug, Serialize)]
pub struct Test {
    /// The first run's letter.
    pub first: String,
    /// The other's.
    pub second: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The same in words.
    pub words: String,
}

/// What came of a test.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There was none, and why.
    Untested(String),
    /// Both were tested on the same examples.
    Tested(Box<Sides>),
    /// Both predicted the numbers of the same examples.
    Measured(Box<Distances>),
}

impl Outcome {
    /// The p-value, where there was a test.
    fn p(&self) -> Option<f64> {
        match self {
            Outcome::Untested(_) => None,
            Outcome::Tested(sides) => Some(sides.p),
            Outcome::Measured(distances) => Some(distances.p),
        }
    }

    /// Judges it as one of so many tests.
    fn judge(&mut self, adjusted: f64, tests: usize) {
        let (p_adjusted, all, significant) = match self {
            Outcome::Untested(_) => return,
            Outcome::Tested(it) => (&mut it.p_adjusted, &mut it.tests, &mut it.significant),
            Outcome::Measured(it) => (&mut it.p_adjusted, &mut it.tests, &mut it.significant),
        };
        (*p_adjusted, *all, *significant) = (adjusted, tests, adjusted < LEVEL);
    }

    /// Whether there was a test, and it found a difference.
    pub fn is_significant(&self) -> bool {
        match self {
            Outcome::Untested(_) => false,
            Outcome::Tested(sides) => sides.significant,
            Outcome::Measured(distances) => distances.significant,
        }
    }
}

/// How two runs stand on the same test examples.
#[derive(Debug, Serialize)]
pub struct Sides {
    /// Examples tested.
    pub examples: usize,
    /// Both are right.
    pub both_right: usize,
    /// Neither is.
    pub both_wrong: usize,
    /// Right in the first and wrong in the second, the most confidently wrong first.
    pub lost: Vec<Changed>,
    /// Wrong in the first and right in the second, the most confidently wrong first.
    pub gained: Vec<Changed>,
    /// McNemar's exact p-value.
    pub p: f64,
    /// The same, raised by Holm's method where there are several tests.
    pub p_adjusted: f64,
    /// How many tests there are.
    pub tests: usize,
    /// Whether the adjusted p-value is below 0.05.
    pub significant: bool,
}

/// An example that one run has right and the other wrong.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Its place in the test split, from 0.
    pub index: usize,
    /// Its true class.
    pub label: String,
    /// What the first run said.
    pub first: Said,
    /// What the second run said.
    pub second: Said,
}

/// What a run said of an example.
#[derive(Debug, Serialize)]
pub struct Said {
    /// The most probable class.
    pub class: String,
    /// Its probability.
    pub confidence: f32,
}

impl Sides {
    /// The accuracy of the first run and of the second.
    pub fn accuracies(&self) -> [f64; 2] {
        let share = |right: usize| right as f64 / self.examples as f64;
        [share(self.both_right + self.lost.len()), share(self.both_right + self.gained.len())]
    }
}

/// Each of the other runs against the first.
pub fn tests(runs: &[Compared], letters: &[String]) -> Vec<Test> {
    let against = |other: usize| {
        let outcome = outcome(&runs[0], &runs[other], &letters[0], &letters[other]);
        outcome.unwrap_or_else(Outcome::Untested)
    };
    let mut outcomes: Vec<Outcome> = (1..runs.len()).map(against).collect();
    let p_values: Vec<f64> = outcomes.iter().filter_map(Outcome::p).collect();
    let tested = outcomes.iter_mut().filter(|outcome| outcome.p().is_some());
    tested.zip(holm(&p_values)).for_each(|(outcome, adjusted)| outcome.judge(adjusted, p_values.len()));
    let told = |(outcome, letter): (Outcome, &String)| Test {
        words: match &outcome {
            Outcome::Tested(sides) => words(sides, &letters[0], letter),
            Outcome::Measured(distances) => distances.words(&letters[0], letter),
            Outcome::Untested(why) => format!("{letter} isn't tested against {}: {why}.", letters[0]),
        },
        first: letters[0].clone(),
        second: letter.clone(),
        outcome,
    };
    outcomes.into_iter().zip(&letters[1..]).map(told).collect()
}

/// How two runs stand, or why that cannot be told.
fn outcome(first: &Compared, second: &Compared, a: &str, b: &str) -> Result<Outcome, String> {
    let (one, other) = (said_by(first, a)?, said_by(second, b)?);
    let digest = |run: &Compared| run.info.data.as_ref().map(|data| data.digest.clone()).unwrap_or_default();
    if digest(first) != digest(second) {
        return Err("they were tested on different data, as the digests show; the examples can't be paired".to_owned());
    }
    match (one, other) {
        (Answers::Classes(one), Answers::Classes(other)) => sides(one, other).map(|it| Outcome::Tested(Box::new(it))),
        (Answers::Numbers(one), Answers::Numbers(other)) => {
            distances::between(one, other).map(|it| Outcome::Measured(Box::new(it)))
        }
        _ => Err("one predicts classes and the other numbers".to_owned()),
    }
}

/// How two runs that predict classes stand.
fn sides(one: &Predictions, other: &Predictions) -> Result<Sides, String> {
    if one.classes != other.classes {
        return Err("their classes aren't the same".to_owned());
    }
    if one.labels != other.labels {
        return Err("their test examples aren't the same ones".to_owned());
    }
    if one.labels.is_empty() {
        return Err("there is no test example".to_owned());
    }
    let counted = |right: bool| {
        let pairs = one.labels.iter().zip(one.predicted.iter().zip(&other.predicted));
        pairs.filter(|(label, (a, b))| (label == a) == right && (label == b) == right).count()
    };
    let (lost, gained) = (changed(one, other, true), changed(one, other, false));
    let p = mcnemar(lost.len() as u64, gained.len() as u64);
    Ok(Sides {
        examples: one.labels.len(),
        both_right: counted(true),
        both_wrong: counted(false),
        lost,
        gained,
        p,
        p_adjusted: p,
        tests: 1,
        significant: false,
    })
}

fn said_by<'a>(run: &'a Compared, letter: &str) -> Result<&'a Answers, String> {
    run.answers.as_ref().map_err(|why| format!("{letter} {why}"))
}

/// The examples that only the first run has right, or only the second.
fn changed(one: &Predictions, other: &Predictions, first_is_right: bool) -> Vec<Changed> {
    let class = |class: u32| one.classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let said = |predictions: &Predictions, index: usize| {
        let guess = predictions.predicted[index];
        let place = index * predictions.classes.len() + guess as usize;
        Said { class: class(guess), confidence: predictions.probabilities.get(place).copied().unwrap_or(f32::NAN) }
    };
    let rows = one.labels.iter().zip(one.predicted.iter().zip(&other.predicted)).enumerate();
    let wanted = rows.filter(|(_, (label, (a, b)))| (label == a) == first_is_right && (label == b) != first_is_right);
    let mut found: Vec<Changed> = wanted
        .map(|(index, (label, _))| Changed {
            index,
            label: class(*label),
            first: said(one, index),
            second: said(other, index),
        })
        .collect();
    let wrong = |row: &Changed| if first_is_right { row.second.confidence } else { row.first.confidence };
    found.sort_by(|a, b| wrong(b).total_cmp(&wrong(a)).then(a.index.cmp(&b.index)));
    found
}

/// What the test says, in a sentence or two.
fn words(sides: &Sides, a: &str, b: &str) -> String {
    let [first, second] = sides.accuracies();
    let (better, worse) = if second < first { (a, b) } else { (b, a) };
    let shares = match second < first {
        true => format!("{} against {}", figure::percent(first, 2), figure::percent(second, 2)),
        false => format!("{} against {}", figure::percent(second, 2), figure::percent(first, 2)),
    };
    let points = figure::points((second - first).abs());
    let p = figure::adjusted_p_value(sides.p_adjusted, sides.tests);
    match (sides.lost.len(), sides.gained.len()) {
        (0, 0) => format!("{a} and {b} are right on the same examples: the test data tell no difference."),
        (lost, gained) if lost == gained => format!(
            "{a} and {b} are right equally often ({}), though not on the same examples: neither is better.",
            figure::percent(first, 2)
        ),
        _ if sides.significant => {
            format!("{better} is better than {worse} by {points} ({shares}); a difference this large by chance: {p}.")
        }
        _ => format!(
            "{better} is ahead of {worse} by {points} ({shares}), but these examples don't show that it is better; a \
             difference this large by chance: {p}."
        ),
    }
}
