//! The confusion matrix as a heat map, and the pairs that were confused most.

use super::{Section, figure, gallery::Names};
use crate::{
    evaluation::{
        StepResult,
        confusion_matrix::{Mistakes, Normalize, Outcome},
    },
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "confusion-matrix",
    title: "Confusion matrix",
    template: include_str!("../../templates/sections/confusion.html"),
    data,
};

/// More classes than these get smaller cells.
const MOST_LARGE: usize = 30;
/// More classes than these would make a table that no browser likes and nobody reads.
const MOST_SHOWN: usize = 200;
/// So many pairs are listed.
const PAIRS: usize = 5;
/// The examples of so many pairs are shown without being asked for.
const OPEN: usize = 3;
/// Column names longer than this many characters are turned upright.
const LONG_NAME: usize = 7;

fn data(record: &Record) -> Option<Value> {
    let matrix = record.evaluation.as_ref()?.steps.iter().find_map(|step| match step {
        StepResult::ConfusionMatrix(matrix) => Some(matrix),
        _ => None,
    })?;
    let classes = matrix.classes.len();
    if classes == 0 {
        return None;
    }
    let rows: Vec<Value> = if classes > MOST_SHOWN {
        Vec::new()
    } else {
        matrix.counts.iter().enumerate().map(|(truth, counts)| row(matrix, truth, counts)).collect()
    };
    let upright = classes > 12 || matrix.classes.iter().any(|name| name.chars().count() > LONG_NAME);
    let mistakes = mistakes(matrix, &Names::of(record));
    Some(json!({
        "classes": matrix.classes,
        "count": figure::count(classes),
        "rows": rows,
        "upright": upright,
        "small": classes > MOST_LARGE,
        "shares": matrix.normalize == Normalize::Row,
        "pairs": pairs(matrix),
        "folded": mistakes.len().saturating_sub(OPEN),
        "mistakes": mistakes,
    }))
}

fn row(matrix: &Outcome, truth: usize, counts: &[u64]) -> Value {
    let total: u64 = counts.iter().sum();
    let cells: Vec<Value> = counts
        .iter()
        .enumerate()
        .map(|(guess, &count)| {
            let share = count as f64 / total.max(1) as f64;
            json!({
                "shown": match matrix.normalize {
                    Normalize::None => figure::grouped(count),
                    // A row without examples has no shares.
                    Normalize::Row if total == 0 => "–".to_owned(),
                    Normalize::Row => format!("{:.1}", share * 100.0),
                },
                "count": figure::grouped(count),
                "heat": heat(count, total),
                "right": truth == guess,
                "predicted": matrix.classes.get(guess),
                "share": figure::percent(share, 1),
                "leads_to": shown_mistakes(matrix, truth, guess).map(|_| anchor(truth, guess)),
            })
        })
        .collect();
    json!({ "name": matrix.classes.get(truth), "total": figure::grouped(total), "cells": cells })
}

/// Where the examples of a cell stand.
fn anchor(truth: usize, guess: usize) -> String {
    format!("mistake-{truth}-{guess}")
}

fn shown_mistakes(matrix: &Outcome, truth: usize, guess: usize) -> Option<&Mistakes> {
    let cell = |mistakes: &&Mistakes| (mistakes.label as usize, mistakes.predicted as usize) == (truth, guess);
    matrix.mistakes.iter().find(cell).filter(|mistakes| !mistakes.examples.is_empty())
}

/// The examples of the mistakes, those of the most frequent ones open.
fn mistakes(matrix: &Outcome, names: &Names<'_>) -> Vec<Value> {
    let filled = matrix.mistakes.iter().filter(|mistakes| !mistakes.examples.is_empty());
    let group = |(place, mistakes): (usize, &Mistakes)| {
        let (truth, guess) = (mistakes.label as usize, mistakes.predicted as usize);
        let counts = matrix.counts.get(truth).map_or(&[][..], Vec::as_slice);
        json!({
            "id": anchor(truth, guess),
            "truth": matrix.classes.get(truth),
            "predicted": matrix.classes.get(guess),
            "count": figure::grouped(counts.get(guess).copied().unwrap_or(0)),
            "total": figure::grouped(counts.iter().sum()),
            "open": place < OPEN,
            "examples": names.examples(&mistakes.examples),
        })
    };
    filled.enumerate().map(group).collect()
}

/// 0 for none and 1 to 10 for each begun tenth of the row.
fn heat(count: u64, total: u64) -> u64 {
    (count * 10).div_ceil(total.max(1))
}

/// The pairs confused most often, most often first; the first in the matrix among equals.
fn pairs(matrix: &Outcome) -> Vec<Value> {
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, counts) in matrix.counts.iter().enumerate() {
        for (guess, &count) in counts.iter().enumerate() {
            if truth != guess && count > 0 {
                pairs.push((count, truth, guess));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    pairs
        .into_iter()
        .take(PAIRS)
        .map(|(count, truth, guess)| {
            let total: u64 = matrix.counts[truth].iter().sum();
            json!({
                "truth": matrix.classes.get(truth),
                "predicted": matrix.classes.get(guess),
                "count": figure::grouped(count),
                "total": figure::grouped(total),
                "share": figure::percent(count as f64 / total as f64, 1),
                "leads_to": shown_mistakes(matrix, truth, guess).map(|_| anchor(truth, guess)),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{render, sample::sample};

    fn with_classes(classes: usize) -> Record {
        let mut record = sample();
        let counts = (0..classes).map(|t| (0..classes).map(|p| u64::from(t == p) * 90 + 1).collect()).collect();
        let classes = (0..classes).map(|class| format!("class {class}")).collect();
        record.evaluation.as_mut().unwrap().steps = vec![StepResult::ConfusionMatrix(Outcome {
            classes,
            counts,
            mistakes: vec![],
            normalize: Normalize::None,
        })];
        record
    }

    #[test]
    fn heat_tells_none_from_little() {
        assert_eq!(
            [(0, 0), (0, 10), (1, 1000), (100, 1000), (101, 1000), (1000, 1000)].map(|(c, t)| heat(c, t)),
            [0, 0, 1, 1, 2, 10]
        );
    }

    #[test]
    fn pairs_are_in_order() {
        let matrix = Outcome {
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            counts: vec![vec![5, 1, 2], vec![7, 0, 2], vec![0, 0, 9]],
            mistakes: vec![],
            normalize: Normalize::None,
        };
        let pairs = pairs(&matrix);
        let named: Vec<_> = pairs.iter().map(|pair| format!("{}{}", pair["truth"], pair["predicted"])).collect();
        assert_eq!(named, ["\"b\"\"a\"", "\"a\"\"c\"", "\"b\"\"c\"", "\"a\"\"b\""]);
        assert_eq!(pairs[0]["share"], "77.8%");
    }

    #[test]
    fn a_normalized_row_adds_up_to_all_of_it() {
        let matrix = Outcome {
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            counts: vec![vec![5, 1, 2], vec![0, 0, 0], vec![0, 0, 9]],
            mistakes: vec![],
            normalize: Normalize::Row,
        };
        let shown = |truth: usize| -> Vec<Value> {
            let row = row(&matrix, truth, &matrix.counts[truth]);
            row["cells"].as_array().unwrap().iter().map(|cell| cell["shown"].clone()).collect()
        };
        assert_eq!(shown(0), ["62.5", "12.5", "25.0"]);
        assert_eq!(shown(1), ["–", "–", "–"]);
        assert_eq!(row(&matrix, 0, &matrix.counts[0])["cells"][0]["count"], "5");
    }

    #[test]
    fn many_classes_are_small_and_too_many_are_not_shown() {
        assert_eq!(data(&with_classes(31)).unwrap()["small"], true);
        assert_eq!(data(&with_classes(30)).unwrap()["small"], false);
        assert!(render(&with_classes(31)).is_ok());
        let html = render(&with_classes(201)).unwrap();
        assert!(html.contains("201 classes are too many"));
    }
}
