//! The kernels of the first convolution.

use super::{Section, figure, gallery::results};
use crate::{evaluation::filters::Outcome, run::Record};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "filters",
    title: "First filters",
    template: include_str!("../../templates/sections/filters.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, _| {
        let [low, high] = result.range.map(|weight| figure::number(f64::from(weight)));
        json!({
            "layer": result.layer,
            "shape": result.shape,
            "shown": result.shown,
            "low": low,
            "high": high,
            "png": result.png,
        })
    })
}
