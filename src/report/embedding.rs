//! The examples before the last layer, on a plane.

use super::{
    Section,
    chart::{Axis, Chart, Drawn, LOOKS, Series, Shape},
    figure,
    gallery::Names,
};
use crate::{
    evaluation::embedding::{Method, Outcome, Point},
    run::Record,
};
use serde_json::{Value, json};
use std::cmp::Reverse;

pub(super) const SECTION: Section = Section {
    id: "embedding",
    title: "Embedding",
    template: include_str!("../../templates/sections/embedding.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let names = Names::of(record);
    let results: Vec<Value> = record
        .evaluation
        .as_ref()?
        .results::<Outcome>()
        .enumerate()
        .map(|(at, outcome)| shown(outcome, &names, at))
        .collect();
    (!results.is_empty()).then(|| json!({ "results": results }))
}

fn shown(outcome: &Outcome, names: &Names<'_>, at: usize) -> Value {
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for point in &outcome.points {
        match counts.iter_mut().find(|(class, _)| *class == point.label) {
            Some((_, count)) => *count += 1,
            None => counts.push((point.label, 1)),
        }
    }
    let classes = counts.len();
    counts.sort_by_key(|&(class, count)| (Reverse(count), class));
    // More than these cannot be told apart: the most frequent ones have a look of their own.
    counts.truncate(LOOKS);
    counts.sort_unstable();
    let chosen: Vec<u32> = counts.into_iter().map(|(class, _)| class).collect();
    json!({
        "method": match outcome.method { Method::Pca => "pca", Method::Tsne => "tsne" },
        "layer": outcome.layer,
        "dimensions": figure::count(outcome.dimensions),
        "count": figure::count(outcome.points.len()),
        "explained": outcome.explained.map(|shares| figure::percent(shares.iter().sum(), 1)),
        "left_out": classes.saturating_sub(chosen.len()),
        "chart": chart(outcome, &chosen, names, at),
    })
}

fn chart(outcome: &Outcome, chosen: &[u32], names: &Names<'_>, at: usize) -> Option<Value> {
    let place = |point: &Point| (f64::from(point.x), f64::from(point.y));
    let series = chosen.iter().enumerate().map(|(look, &class)| {
        let points = outcome.points.iter().filter(|point| point.label == class).map(place);
        Series { name: names.class(class), look, drawn: Drawn::Points(points.collect()) }
    });
    let explained = outcome.explained.unwrap_or_default();
    let axis = |number: usize| match outcome.method {
        Method::Pca => {
            format!("component {} ({} of the variance)", number + 1, figure::percent(explained[number], 1))
        }
        Method::Tsne => format!("axis {}", number + 1),
    };
    let finite = || outcome.points.iter().map(place).filter(|(x, y)| x.is_finite() && y.is_finite());
    let chart = Chart {
        title: match outcome.method {
            Method::Pca => "Principal components".to_owned(),
            Method::Tsne => "t-SNE".to_owned(),
        },
        alternative: "Test examples on a plane, by their true class".to_owned(),
        description: format!("{} examples of {} classes.", figure::count(outcome.points.len()), chosen.len()),
        x: Axis::numbers(axis(0), finite().map(|(x, _)| x))?,
        y: Axis::numbers(axis(1), finite().map(|(_, y)| y))?,
        series: series.collect(),
        mark: None,
        diagonal: None,
        shape: Shape::Square,
    };
    Some(chart.data(&format!("embedding-{at}"), None))
}
