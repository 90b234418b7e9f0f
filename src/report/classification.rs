//! Precision, recall, F1 and support by class.

use super::{Section, figure};
use crate::{
    evaluation::{StepResult, classification_report::Row},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "classification-report",
    title: "Classification report",
    template: include_str!("../../templates/sections/classification.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let table = record.evaluation.as_ref()?.steps.iter().find_map(|step| match step {
        StepResult::ClassificationReport(table) => Some(table),
        _ => None,
    })?;
    let undefined = table.classes.iter().any(|row| [row.precision, row.recall, row.f1].contains(&None));
    Some(json!({
        "classes": table.classes.iter().map(row).collect::<Vec<_>>(),
        "averages": [row(&table.macro_average), row(&table.weighted_average)],
        "accuracy": figure::percent(table.accuracy, 2),
        "undefined": undefined,
    }))
}

fn row(row: &Row) -> Value {
    let share = |value: Option<f64>| value.map(|value| figure::percent(value, 1));
    json!({
        "name": row.name,
        "precision": share(row.precision),
        "recall": share(row.recall),
        "f1": share(row.f1),
        "support": figure::grouped(row.support),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{render, sample::sample};

    #[test]
    fn what_is_not_defined_is_said_to_be_so() {
        let mut record = sample();
        assert_eq!(data(&record).unwrap()["undefined"], false);
        for step in &mut record.evaluation.as_mut().unwrap().steps {
            if let StepResult::ClassificationReport(table) = step {
                table.classes[0].precision = None;
            }
        }
        assert_eq!(data(&record).unwrap()["classes"][0]["precision"], Value::Null);
        assert!(render(&record).unwrap().contains(">0/0</abbr>"));
    }
}
