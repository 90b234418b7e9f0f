//! What the check had to say of the pipeline.

use super::Section;
use crate::run::Record;
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "warnings",
    title: "Warnings",
    template: include_str!("../../templates/sections/warnings.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let warnings = &record.info.warnings;
    (!warnings.is_empty()).then(|| json!({ "warnings": warnings }))
}
