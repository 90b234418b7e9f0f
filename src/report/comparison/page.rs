//! A comparison as a page of its own.

use super::{
    Comparison, Curve, Outcome,
    text::{counts, notes},
};
use crate::{
    diagnostic::Result,
    report::{
        chart::{MOST_RUNS, SIZE, overlay},
        figure, page_of,
    },
};
use serde_json::{Value as Json, json};

/// The page, with at most `examples` of those that changed sides in each direction.
///
/// Fails only where a template is wrong.
pub fn render(comparison: &Comparison, examples: usize) -> Result<String> {
    let mut names: Vec<&str> = Vec::new();
    for run in &comparison.runs {
        if !names.contains(&run.name.as_str()) {
            names.push(&run.name);
        }
    }
    let title = format!("{}: {} runs compared", names.join(" and "), comparison.runs.len());
    let about = json!({
        "title": title,
        "name": title,
        "description": format!("Every run is set against the first, {}.", comparison.runs[0].letter),
    });
    let mut parts = vec![
        (
            "differences",
            "What differs",
            include_str!("../../../templates/comparison/differences.html"),
            differences(comparison),
        ),
        ("figures", "Figures", include_str!("../../../templates/comparison/figures.html"), figures(comparison)),
    ];
    if !comparison.curves.is_empty() {
        let curves = curves(comparison);
        parts.push(("curves", "Curves", include_str!("../../../templates/comparison/curves.html"), curves));
    }
    let changes = changes(comparison, examples);
    if changes["tests"].as_array().is_some_and(|tests| !tests.is_empty()) {
        let partial = include_str!("../../../templates/comparison/changes.html");
        parts.push(("changes", "Examples that changed sides", partial, changes));
    }
    page_of(about, &parts)
}

fn differences(comparison: &Comparison) -> Json {
    let runs = comparison.runs.iter().map(|run| {
        json!({
            "letter": run.letter,
            "path": run.path.display().to_string(),
            "status": run.status,
            "reason": run.reason,
            "started": figure::moment(&run.started),
            "epochs": format!("{} of {}", figure::count(run.epochs_done), figure::count(run.epochs)),
            "kept": run.best_epoch,
            "parameters": figure::grouped(run.parameters),
            "time": figure::duration(run.seconds),
        })
    });
    json!({
        "runs": runs.collect::<Vec<_>>(),
        "letters": comparison.runs.iter().map(|run| &run.letter).collect::<Vec<_>>(),
        "settings": comparison.configuration,
        "surroundings": comparison.surroundings,
        "unread": comparison.unread,
    })
}

fn figures(comparison: &Comparison) -> Json {
    let rows = comparison.metrics.iter().map(|metric| {
        let cells = metric.values.iter().map(|value| {
            value.as_ref().map(|value| {
                json!({
                    "value": figure::of(&metric.name, value.value),
                    "interval": value.interval.map(|bounds| figure::interval(&metric.name, bounds)),
                    "difference": value.difference.map(|d| figure::difference(&metric.name, d)),
                    "best": value.best,
                })
            })
        });
        json!({ "name": figure::capitalised(&figure::in_words(&metric.name)), "cells": cells.collect::<Vec<_>>() })
    });
    let tests = comparison.tests.iter().map(|test| {
        let state = match &test.outcome {
            Outcome::Tested(sides) if sides.significant => "significant",
            Outcome::Tested(_) => "open",
            Outcome::Untested(_) => "untested",
        };
        json!({ "state": state, "words": test.words })
    });
    json!({
        "letters": comparison.runs.iter().map(|run| &run.letter).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "tests": tests.collect::<Vec<_>>(),
        "notes": notes(comparison),
    })
}

fn curves(comparison: &Comparison) -> Json {
    let letters: Vec<&str> = comparison.runs.iter().map(|run| run.letter.as_str()).collect();
    json!({
        "charts": comparison.curves.iter().filter_map(|curve| chart(curve, &letters)).collect::<Vec<_>>(),
        "width": SIZE.0,
        "height": SIZE.1,
        "left_out": &letters[letters.len().min(MOST_RUNS)..],
        "letters": letters,
        "tables": comparison.curves.iter().map(numbers).collect::<Vec<_>>(),
    })
}

fn chart(curve: &Curve, letters: &[&str]) -> Option<Json> {
    let share = figure::is_share(&curve.figure);
    let drawing = overlay(&curve.runs, curve.epochs(), share)?;
    let words = figure::capitalised(&figure::in_words(&curve.figure));
    let drawn =
        || letters.iter().zip(&curve.runs).enumerate().take(MOST_RUNS).filter(|(_, (_, points))| !points.is_empty());
    let told = drawn().filter_map(|(_, (letter, points))| {
        let at = |point: &(usize, f64)| format!("{} in epoch {}", figure::of(&curve.figure, point.1), point.0);
        Some(format!("{letter}: from {} to {}.", at(points.first()?), at(points.last()?)))
    });
    Some(json!({
        "title": if share { format!("{words} (%)") } else { words.clone() },
        "alternative": format!("{words} by epoch, of each run"),
        "description": told.collect::<Vec<_>>().join(" "),
        "keys": drawn().map(|(index, (letter, _))| json!({ "letter": letter, "colour": index + 1 })).collect::<Vec<_>>(),
        "drawing": drawing,
    }))
}

/// The numbers behind a chart.
fn numbers(curve: &Curve) -> Json {
    let (first, last) = curve.epochs();
    let value = |points: &[(usize, f64)], epoch: usize| {
        points.iter().find(|point| point.0 == epoch).map(|point| figure::of(&curve.figure, point.1))
    };
    let row = |epoch: usize| {
        let values: Vec<Option<String>> = curve.runs.iter().map(|points| value(points, epoch)).collect();
        json!({ "epoch": epoch, "values": values })
    };
    let rows =
        (first..=last).map(row).filter(|row| row["values"].as_array().is_some_and(|v| v.iter().any(|v| !v.is_null())));
    json!({ "title": figure::capitalised(&figure::in_words(&curve.figure)), "rows": rows.collect::<Vec<_>>() })
}

fn changes(comparison: &Comparison, examples: usize) -> Json {
    let tests = comparison.tests.iter().filter_map(|test| {
        let Outcome::Tested(sides) = &test.outcome else { return None };
        let directions = [(&sides.lost, &test.first, &test.second), (&sides.gained, &test.second, &test.first)];
        let directions = directions.map(|(changed, right, wrong)| {
            let rows = changed.iter().take(examples).map(|example| {
                let said = |said: &super::Said| {
                    json!({ "class": said.class, "confidence": figure::percent(said.confidence.into(), 1) })
                };
                json!({
                    "index": example.index, "label": example.label,
                    "first": said(&example.first), "second": said(&example.second),
                })
            });
            let mut indices: Vec<usize> = changed.iter().map(|example| example.index).collect();
            indices.sort_unstable();
            let indices: Vec<String> = indices.iter().map(usize::to_string).collect();
            json!({
                "right": right, "wrong": wrong, "count": figure::count(changed.len()),
                "rows": rows.collect::<Vec<_>>(), "cut": changed.len() > examples, "indices": indices.join(", "),
            })
        });
        Some(json!({
            "first": test.first, "second": test.second,
            "counts": counts(sides, &test.first, &test.second), "directions": directions,
        }))
    });
    json!({ "tests": tests.collect::<Vec<_>>() })
}
