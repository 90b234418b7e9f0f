//! The surest and the hardest examples of each class.

use super::{Section, figure, gallery::results};
use crate::{
    evaluation::per_class_examples::{OfClass, Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "per-class-examples",
    title: "Examples of each class",
    template: include_str!("../../templates/sections/per_class_examples.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, names| {
        let class = |class: &OfClass| {
            json!({
                "name": names.class(class.class),
                "examples": figure::count(class.examples),
                "recall": figure::percent(class.right as f64 / class.examples.max(1) as f64, 1),
                "surest": names.examples(&class.surest),
                "hardest": names.examples(&class.hardest),
            })
        };
        json!({ "classes": result.classes.iter().map(class).collect::<Vec<_>>(), "left_out": result.left_out })
    })
}
