//! The examples that the model is least sure of.

use super::{Section, gallery::results};
use crate::{
    evaluation::most_uncertain::{Outcome, Uncertainty},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "most-uncertain",
    title: "Most uncertain",
    template: include_str!("../../templates/sections/most_uncertain.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, names| {
        let by = match result.by {
            Uncertainty::Entropy => "the entropy of the probabilities is largest",
            Uncertainty::Margin => "the two most probable classes are closest to each other",
            Uncertainty::LeastConfident => "the most probable class is least probable",
        };
        json!({ "by": by, "examples": names.examples(&result.examples) })
    })
}
