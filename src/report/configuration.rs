//! The pipeline, as it was written and with every default filled in.

use super::Section;
use crate::run::Record;
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "configuration",
    title: "Configuration",
    template: include_str!("../../templates/sections/configuration.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let (written, resolved) = (record.pipeline.trim_end(), record.resolved.trim_end());
    (!written.is_empty() || !resolved.is_empty()).then(|| json!({ "written": written, "resolved": resolved }))
}
