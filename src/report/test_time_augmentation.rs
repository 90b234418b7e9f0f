//! The accuracy where several views of an image decide together.

use super::{Section, figure};
use crate::{
    evaluation::{statistics::wilson, test_time_augmentation::Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "test-time-augmentation",
    title: "Test-time augmentation",
    template: include_str!("../../templates/sections/test_time_augmentation.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    let alone = outcome.right as f64 / outcome.examples.max(1) as f64;
    let row = |views: usize, accuracy: f64, right: usize, interval: (f64, f64)| {
        json!({
            "views": views,
            "accuracy": figure::percent(accuracy, 2),
            "interval": figure::interval(interval),
            "right": figure::grouped(right as u64),
        })
    };
    Some(json!({
        "examples": figure::grouped(outcome.examples as u64),
        "rows": [
            row(1, alone, outcome.right, wilson(alone, outcome.examples)),
            row(outcome.views, outcome.accuracy, outcome.averaged_right, outcome.interval),
        ],
        "p": figure::rate(outcome.p_value),
    }))
}
