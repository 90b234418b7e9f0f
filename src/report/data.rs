//! What was seen of the data: the balance of the classes, the values, copies, and some images.

use super::{Section, figure};
use crate::run::{Inspection, Record, SplitInspection, Thumbnail};
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "data", title: "Data", template: include_str!("../../templates/sections/data.html"), data };

fn data(record: &Record) -> Option<Value> {
    record.inspection.as_ref().map(shown)
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
        "duplicates": inspection.duplicates.as_ref().map(|found| {
            json!({
                "within_train": figure::count(found.within_train),
                "within_test": figure::count(found.within_test),
                "test_in_train": figure::count(found.test_in_train),
                "contradictions": figure::count(found.contradictions),
                "examples": found.examples,
            })
        }),
    })
}

fn shown_split(split: &SplitInspection, classes: &[String]) -> Value {
    let list = |values: &[f64]| values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(", ");
    let gallery = |images: &[Thumbnail]| -> Vec<Value> {
        let shown = images.iter();
        let label = |image: &Thumbnail| classes.get(image.label as usize).cloned();
        shown.map(|image| json!({ "png": image.png, "label": label(image), "index": image.index })).collect()
    };
    json!({
        "name": figure::capitalised(&split.name),
        "examples": figure::count(split.examples),
        "range": split.pixels.as_ref().map(|pixels| format!("{} to {}", pixels.least, pixels.most)),
        "mean": split.pixels.as_ref().map(|pixels| list(&pixels.mean)),
        "deviation": split.pixels.as_ref().map(|pixels| list(&pixels.deviation)),
        "unreadable": split.unreadable,
        "reasons": split.reasons,
        "galleries": [
            { "title": "some examples", "images": gallery(&split.sample) },
            { "title": "the same, augmented", "images": gallery(&split.augmented) },
        ],
    })
}
