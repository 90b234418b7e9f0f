//! The accuracy on worse images.

use super::{
    Section,
    chart::{Axis, Chart, Drawn, Mark, Series, Shape},
    figure,
};
use crate::{
    evaluation::{
        robustness::{Change, Outcome, Strength},
        statistics::wilson,
    },
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "robustness",
    title: "Robustness",
    template: include_str!("../../templates/sections/robustness.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    let share = |right: usize| right as f64 / outcome.examples.max(1) as f64;
    let strength = |strength: &Strength| {
        json!({
            "strength": figure::rate(strength.strength).replace('-', "\u{2212}"),
            "accuracy": figure::percent(share(strength.right), 1),
            "interval": figure::interval(wilson(share(strength.right), outcome.examples)),
            "png": strength.png,
        })
    };
    let change = |(at, change): (usize, &Change)| {
        json!({
            "title": figure::capitalised(&figure::in_words(&change.kind)),
            "unit": unit(&change.kind),
            "rows": change.strengths.iter().map(strength).collect::<Vec<_>>(),
            "chart": chart(change, outcome, at),
        })
    };
    Some(json!({
        "examples": figure::count(outcome.examples),
        "accuracy": figure::percent(share(outcome.right), 1),
        "png": outcome.png,
        "changes": outcome.changes.iter().enumerate().map(change).collect::<Vec<_>>(),
    }))
}

fn unit(kind: &str) -> &'static str {
    match kind {
        "gaussian_noise" => "standard deviation, of values 0 to 255",
        "gaussian_blur" => "standard deviation in pixels",
        "brightness" => "added to all values, as a share of 255",
        _ => "factor of the distance from the mean",
    }
}

/// The strength at which nothing changes.
fn unchanged(kind: &str) -> f64 {
    if kind == "contrast" { 1.0 } else { 0.0 }
}

/// The accuracy by strength, with the unchanged images where they belong.
fn chart(change: &Change, outcome: &Outcome, at: usize) -> Option<Value> {
    let share = |right: usize| right as f64 / outcome.examples.max(1) as f64;
    let mut points: Vec<(f64, f64)> =
        change.strengths.iter().map(|strength| (strength.strength, share(strength.right))).collect();
    let as_it_is = unchanged(&change.kind);
    points.retain(|(strength, _)| *strength != as_it_is);
    points.push((as_it_is, share(outcome.right)));
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let worst = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let words = figure::in_words(&change.kind);
    let chart = Chart {
        title: figure::capitalised(&words),
        alternative: format!("Accuracy by strength of {words}"),
        description: format!("Lowest: {} at {}.", figure::percent(worst.1, 1), figure::rate(worst.0)),
        x: Axis::numbers(unit(&change.kind), points.iter().map(|point| point.0))?,
        y: Axis::all_shares("right (%)"),
        series: vec![Series { name: "accuracy".to_owned(), look: 0, drawn: Drawn::Line(points) }],
        mark: Some(Mark { at: as_it_is, words: "as they are".to_owned(), name: "images as they are".to_owned() }),
        diagonal: None,
        shape: Shape::Low,
    };
    Some(chart.data(&format!("robustness-{at}"), None))
}
