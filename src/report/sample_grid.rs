//! Some test images with their labels.

use super::{Section, gallery::results};
use crate::{evaluation::sample_grid::Outcome, run::Record};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "sample-grid",
    title: "Test images",
    template: include_str!("../../templates/sections/sample_grid.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(
        record,
        |result: &Outcome, names| json!({ "columns": result.columns, "examples": names.examples(&result.examples) }),
    )
}
