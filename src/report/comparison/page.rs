//! A comparison as a page of its own.

use super::{
    Comparison, Curve, Outcome,
    text::{counts, notes},
};
use crate::{
    diagnostic::Result,
    report::{
        Rendered,
        chart::{Axis, Chart, Drawn, LOOKS, Numbers, Series, Shape},
        figure, page,
    },
};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

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
    let environment = page::environment();
    let part = |id, title, template, data| -> Result<Rendered> {
        Ok(Rendered { id, title, html: page::part(&environment, template, data)? })
    };
    let mut parts = vec![
        part(
            "differences",
            "What differs",
            include_str!("../../../templates/comparison/differences.html"),
            differences(comparison),
        )?,
        part("figures", "Figures", include_str!("../../../templates/comparison/figures.html"), figures(comparison))?,
    ];
    if !comparison.curves.is_empty() {
        let letters: Vec<&str> = comparison.runs.iter().map(|run| run.letter.as_str()).collect();
        let curves = curves(&comparison.curves, &letters);
        parts.push(part("curves", "Curves", include_str!("../../../templates/comparison/curves.html"), curves)?);
    }
    let changes = changes(comparison, examples);
    if changes["tests"].as_array().is_some_and(|tests| !tests.is_empty()) {
        let partial = include_str!("../../../templates/comparison/changes.html");
        parts.push(part("changes", "Examples that changed sides", partial, changes)?);
    }
    page::alone(&title, &title, "", &parts)
}

fn differences(comparison: &Comparison) -> Json {
    let runs = comparison.runs.iter().map(|run| {
        json!({
            "letter": run.letter,
            "path": run.path,
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
                    "interval": value.interval.map(|bounds| figure::interval_of(&metric.name, bounds)),
                    "difference": value.difference.map(|d| figure::difference(&metric.name, d)),
                    "best": value.best,
                })
            })
        });
        json!({ "name": figure::capitalised(&figure::in_words(&metric.name)), "cells": cells.collect::<Vec<_>>() })
    });
    let tests = comparison.tests.iter().map(|test| {
        let state = match &test.outcome {
            Outcome::Untested(_) => "untested",
            outcome if outcome.is_significant() => "significant",
            _ => "open",
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

/// What the part with the curves shows of runs that are called by `letters`.
pub(in crate::report) fn curves(curves: &[Curve], letters: &[&str]) -> Json {
    let drawn = |(place, curve): (usize, &Curve)| {
        Some(chart(curve, letters)?.data(&format!("curves-{place}"), Some(&numbers(curve, letters))))
    };
    json!({
        "charts": curves.iter().enumerate().filter_map(drawn).collect::<Vec<_>>(),
        "left_out": &letters[letters.len().min(LOOKS)..],
    })
}

/// A line for each of the first runs; more could not be told apart.
fn chart(curve: &Curve, letters: &[&str]) -> Option<Chart> {
    let name = &curve.figure;
    let (mut series, mut description) = (Vec::new(), Vec::new());
    for (look, (letter, points)) in letters.iter().zip(&curve.runs).enumerate().take(LOOKS) {
        let (Some(from), Some(to)) = (points.first(), points.last()) else { continue };
        let at = |point: &(usize, f64)| format!("{} in epoch {}", figure::of(name, point.1), point.0);
        description.push(match points.len() {
            1 => format!("{letter}: {}.", at(from)),
            _ => format!("{letter}: from {} to {}.", at(from), at(to)),
        });
        let points = points.iter().map(|&(epoch, value)| (epoch as f64, value)).collect();
        series.push(Series { name: (*letter).to_owned(), look, drawn: Drawn::Line(points) });
    }
    let words = figure::in_words(name);
    let values = curve.runs.iter().take(LOOKS).flatten().map(|(_, value)| *value);
    let y = match figure::is_share(name) {
        true => Axis::shares(format!("{words} (%)"), values)?,
        false => Axis::numbers(words.clone(), values)?,
    };
    let title = figure::capitalised(&words);
    Some(Chart {
        // What stands alone has no legend.
        title: if series.len() == 1 { format!("{title} of {}", series[0].name) } else { title.clone() },
        alternative: format!("{title} by epoch, of each run"),
        description: description.join(" "),
        x: Axis::epochs(curve.epochs()),
        y,
        series,
        mark: None,
        diagonal: None,
        shape: Shape::Wide,
    })
}

/// The numbers behind a chart, of all runs.
fn numbers(curve: &Curve, letters: &[&str]) -> Numbers {
    let epochs: BTreeSet<usize> = curve.runs.iter().flatten().map(|(epoch, _)| *epoch).collect();
    let value = |points: &[(usize, f64)], epoch: usize| {
        points.iter().find(|point| point.0 == epoch).map(|point| figure::of(&curve.figure, point.1))
    };
    let row = |epoch: usize| {
        let values: Vec<Option<String>> = curve.runs.iter().map(|points| value(points, epoch)).collect();
        let shown = values.iter().map(|value| value.clone().unwrap_or_else(|| "–".to_owned()));
        (epoch as f64, std::iter::once(epoch.to_string()).chain(shown).collect::<Vec<String>>())
    };
    let (places, rows) = epochs.into_iter().map(row).unzip();
    Numbers {
        name: format!("{} by epoch", figure::capitalised(&figure::in_words(&curve.figure))),
        columns: std::iter::once("Epoch").chain(letters.iter().copied()).map(str::to_owned).collect(),
        rows,
        places,
    }
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
