//! What was seen of the data: the balance of the classes, the values, copies, and some images.

use super::{Section, figure, residuals};
use crate::{
    evaluation::data::{OfSplit, Outcome},
    run::{Inspection, Record, SplitInspection, Targets, Thumbnail, Values},
    text::brief,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "data", title: "Data", template: include_str!("../../templates/sections/data.html"), data };

fn data(record: &Record) -> Option<Value> {
    let skipped = record.info.data.as_ref().map(|data| &data.skipped).filter(|skipped| !skipped.is_empty());
    let mut shown = shown(record.inspection.as_ref()?);
    shown["skipped"] = json!(skipped);
    shown["told"] = json!(told(record));
    Some(shown)
}

/// What the step `data` counted, where the pipeline has it.
fn told(record: &Record) -> Option<Vec<String>> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    let of_split = |split: &OfSplit| {
        let name = figure::capitalised(&split.name);
        match split.imbalance {
            Some(ratio) if ratio < 1.05 => format!("{name}: all classes are equally frequent."),
            Some(ratio) => format!("{name}: the most frequent class has {ratio:.1} times the examples of the rarest."),
            None => format!("{name}: some classes have no example."),
        }
    };
    let baseline = outcome.baseline.map(|share| {
        format!(
            "Always saying the most frequent class of the training data would be right for {}.",
            figure::percent(share, 1)
        )
    });
    Some(outcome.splits.iter().map(of_split).chain(baseline).collect())
}

/// The data of the partial.
pub(super) fn shown(inspection: &Inspection) -> Value {
    let most = inspection.splits.iter().flat_map(|split| &split.per_class).copied().max().unwrap_or(0).max(1);
    let classes: Vec<Value> = inspection
        .classes
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let counts = inspection.splits.iter().map(|split| {
                let count = split.per_class.get(class).copied().unwrap_or(0);
                json!({ "count": figure::count(count), "width": 100.0 * count as f64 / most as f64 })
            });
            json!({ "name": name, "counts": counts.collect::<Vec<_>>() })
        })
        .collect();
    json!({
        "splits": inspection.splits.iter().map(|split| shown_split(split, &inspection.classes)).collect::<Vec<_>>(),
        "classes": classes,
        "features": shown_features(inspection),
        "target": inspection.target.as_ref().and_then(|target| shown_target(inspection, target)),
        // Without a look at every example, only counts are known.
        "has_values": inspection.splits.iter().any(|split| split.values.is_some()),
        "skipped": null,
        "told": null,
        "duplicates": inspection.duplicates.as_ref().map(|found| {
            json!({
                "summary": found.summary(),
                "examples": found.examples,
            })
        }),
    })
}

fn shown_split(split: &SplitInspection, classes: &[String]) -> Value {
    let gallery = |images: &[Thumbnail]| -> Vec<Value> {
        let shown = images.iter();
        let label = |image: &Thumbnail| classes.get(image.label as usize).cloned();
        shown.map(|image| json!({ "png": image.png, "label": label(image), "index": image.index })).collect()
    };
    let strips = split.strips.iter();
    json!({
        "name": figure::capitalised(&split.name),
        "examples": figure::count(split.examples),
        "values": split.values.as_ref().map(shown_values),
        "normalized": split.normalized.as_ref().map(shown_values),
        "sizes": split.sizes.as_ref().map(|sizes| {
            sizes.iter().map(|image| json!({ "name": image.name, "size": image.size() })).collect::<Vec<_>>()
        }),
        "unreadable": split.unreadable,
        "reasons": split.reasons,
        "galleries": [
            { "title": "some examples", "images": gallery(&split.sample) },
            { "title": "the same, augmented", "images": gallery(&split.augmented) },
        ],
        "strips": strips.map(|strip| json!({ "augmentation": strip.augmentation, "images": gallery(&strip.images) })).collect::<Vec<_>>(),
    })
}

/// Of all channels.
fn shown_values(values: &Values) -> Value {
    let list = |values: &[f64]| values.iter().map(|&value| brief(value)).collect::<Vec<_>>().join(", ");
    let [least, most] = values.range();
    json!({
        "range": format!("{} to {}", brief(least), brief(most)),
        "mean": list(&values.mean),
        "deviation": list(&values.deviation),
    })
}

/// The numbers that are to be predicted.
fn shown_target(inspection: &Inspection, target: &str) -> Option<Value> {
    let row = |(name, targets): (&String, &Targets)| {
        let numbers = [targets.mean, targets.deviation].into_iter().chain(targets.quartiles);
        json!({ "name": figure::capitalised(name), "cells": numbers.map(brief).collect::<Vec<_>>() })
    };
    let known = || inspection.splits.iter().filter_map(|split| Some((&split.name, split.targets.as_ref()?)));
    let (_, first) = known().next()?;
    let title = format!("{target} in the training data");
    let chart = residuals::bars(&first.histogram, &title, target)?;
    Some(json!({
        "name": target,
        "rows": known().map(row).collect::<Vec<_>>(),
        "histogram": chart.data("data-target", Some(&residuals::numbers(&first.histogram, &format!("{title}, by range")))),
    }))
}

/// The features of a table, as the training data have them.
fn shown_features(inspection: &Inspection) -> Vec<Value> {
    let Some(values) = inspection.splits.first().and_then(|split| split.values.as_ref()) else { return Vec::new() };
    let numbers = [&values.least, &values.most, &values.mean, &values.deviation];
    let row = |(index, name): (usize, &String)| {
        let cells: Vec<String> =
            numbers.iter().map(|list| list.get(index).map(|&value| brief(value)).unwrap_or_default()).collect();
        json!({ "name": name, "cells": cells })
    };
    inspection.features.iter().enumerate().map(row).collect()
}
