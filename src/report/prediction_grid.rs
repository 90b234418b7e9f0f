//! Some test examples with what the model says of them.

use super::{Section, gallery::results};
use crate::{evaluation::prediction_grid::Outcome, run::Record};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "prediction-grid",
    title: "Predictions",
    template: include_str!("../../templates/sections/prediction_grid.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, names| {
        let right = result.examples.iter().filter(|example| example.label == example.predicted).count();
        json!({
            "columns": result.columns,
            "examples": names.examples(&result.examples),
            "right": right,
            "count": result.examples.len(),
        })
    })
}
