//! Precision against recall of each class, and the average precision.

use super::{
    Section,
    areas::{self, Kind},
};
use crate::{evaluation::precision_recall, run::Record};
use serde_json::Value;

pub(super) const SECTION: Section = Section {
    id: "precision-recall",
    title: "Precision and recall",
    template: include_str!("../../templates/sections/precision_recall.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<precision_recall::Outcome>().next()?;
    let kind = Kind {
        id: SECTION.id,
        title: "Each class against the rest",
        area: "average precision",
        axes: ("recall", "precision"),
        diagonal: None,
        chance_is_share: true,
    };
    Some(areas::data(&outcome.0, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn by_chance_a_class_has_its_share() {
        let data = data(&sample()).unwrap();
        assert_eq!(data["rows"][3]["chance"], "0.100");
        assert_eq!(data["rows"].as_array().unwrap().len(), 10);
        // Ten classes and the micro-average; no diagonal.
        assert_eq!(data["chart"]["legend"].as_array().unwrap().len(), 11);
    }
}
