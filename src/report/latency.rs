//! How long a prediction takes.

use super::{Section, figure, gallery::results};
use crate::{
    evaluation::latency::{OfBatch, Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "latency", title: "Latency", template: include_str!("../../templates/sections/latency.html"), data };

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, _| {
        let row = |batch: &OfBatch| {
            json!({
                "size": figure::count(batch.batch_size),
                "median": figure::short_duration(batch.median),
                "p99": batch.p99.map_or_else(|| "–".to_owned(), figure::short_duration),
                "rate": figure::grouped(batch.examples_per_second.round() as u64),
                "repetitions": figure::count(batch.repetitions),
            })
        };
        json!({ "rows": result.batches.iter().map(row).collect::<Vec<_>>() })
    })
    .map(|mut shown| {
        let from = &record.info.provenance;
        shown["machine"] = json!(format!("{}, {} threads, {}", from.processor, from.threads, from.device));
        shown
    })
}
