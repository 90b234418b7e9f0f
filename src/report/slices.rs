//! The accuracy on parts of the test split.

use super::{
    Section,
    chart::{Axis, Bar, Chart, Drawn, Series, Shape},
    figure,
};
use crate::{
    evaluation::{
        slices::{Outcome, Slice},
        statistics::wilson,
    },
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "slices", title: "Slices", template: include_str!("../../templates/sections/slices.html"), data };

fn data(record: &Record) -> Option<Value> {
    let results: Vec<&Outcome> = record.evaluation.as_ref()?.results::<Outcome>().collect();
    let shown: Vec<Value> = results.iter().enumerate().map(|(at, outcome)| shown(outcome, at)).collect();
    (!shown.is_empty()).then(|| json!({ "results": shown }))
}

/// What the parts differ by, with its unit.
fn in_words(by: &str) -> String {
    match by {
        "brightness" | "contrast" => format!("{by}, as a share of 255"),
        "image_size" => "image size in pixels".to_owned(),
        column => column.to_owned(),
    }
}

fn accuracy(slice: &Slice) -> f64 {
    slice.right as f64 / slice.examples.max(1) as f64
}

fn shown(outcome: &Outcome, at: usize) -> Value {
    let (examples, right) =
        outcome.slices.iter().fold((0, 0), |(all, right), slice| (all + slice.examples, right + slice.right));
    let overall = right as f64 / examples.max(1) as f64;
    let row = |(place, slice): (usize, &Slice)| {
        let interval = wilson(accuracy(slice), slice.examples);
        json!({
            "place": place + 1,
            "name": slice.name,
            "examples": figure::count(slice.examples),
            "accuracy": figure::percent(accuracy(slice), 1),
            "interval": figure::interval(interval),
            // Only what chance hardly explains is pointed out.
            "differs": interval.1 < overall || interval.0 > overall,
        })
    };
    let worst = outcome.slices.iter().min_by(|a, b| accuracy(a).total_cmp(&accuracy(b)));
    json!({
        "by": in_words(&outcome.by),
        "overall": figure::percent(overall, 1),
        "rows": outcome.slices.iter().enumerate().map(row).collect::<Vec<_>>(),
        "chart": chart(outcome, worst).data(&format!("slices-{at}"), None),
    })
}

fn chart(outcome: &Outcome, worst: Option<&Slice>) -> Chart {
    let bars = outcome.slices.iter().enumerate().map(|(place, slice)| {
        let middle = (place + 1) as f64;
        Bar {
            from_to: (middle - 0.35, middle + 0.35),
            height: accuracy(slice),
            interval: Some((middle, wilson(accuracy(slice), slice.examples))),
        }
    });
    let words = in_words(&outcome.by);
    Chart {
        title: format!("Accuracy by {words}"),
        alternative: format!("Accuracy on each part of the test split, by {words}, with 95% intervals"),
        description: worst.map_or_else(String::new, |slice| {
            format!("Lowest: {} where it is {}.", figure::percent(accuracy(slice), 1), slice.name)
        }),
        x: Axis::whole("part, as numbered in the table", outcome.slices.len()),
        y: Axis::all_shares("right (%)"),
        series: vec![Series { name: "accuracy".to_owned(), look: 0, drawn: Drawn::Bars(bars.collect()) }],
        mark: None,
        diagonal: None,
        shape: Shape::Low,
    }
}
