//! The mistakes that the model was surest of.

use super::{Section, gallery::results};
use crate::{evaluation::worst_mistakes::Outcome, run::Record};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "worst-mistakes",
    title: "Worst mistakes",
    template: include_str!("../../templates/sections/worst_mistakes.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(
        record,
        |result: &Outcome, names| json!({ "mistakes": result.mistakes, "examples": names.examples(&result.examples) }),
    )
}
