//! What comes of accepting only predictions of which the model is sure enough.

use super::{
    Section,
    chart::{Axis, Chart, Drawn, Series, Shape},
    figure,
};
use crate::{
    evaluation::threshold_table::{Accepted, Decided, Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "threshold-table",
    title: "Confidence thresholds",
    template: include_str!("../../templates/sections/threshold_table.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    // Thresholds below the least confidence all accept everything: one row says it.
    let all = outcome.accepted.iter().filter(|row| row.count == outcome.examples).count();
    let told = &outcome.accepted[all.saturating_sub(1)..];
    Some(json!({
        "examples": figure::grouped(outcome.examples),
        "chart": (!outcome.accepted.is_empty()).then(|| chart(outcome).data_beside("thresholds-chart", "thresholds-table", 1..5)),
        "rows": told.iter().map(accepted).collect::<Vec<_>>(),
        "positive": outcome.positive,
        "decided": outcome.decided.iter().map(decided).collect::<Vec<_>>(),
    }))
}

fn accepted(row: &Accepted) -> Value {
    json!({
        "place": row.threshold,
        "threshold": threshold(row.threshold),
        "count": figure::grouped(row.count),
        "coverage": figure::percent(row.coverage, 1),
        "accuracy": row.accuracy.map(|accuracy| figure::percent(accuracy, 2)),
        "interval": row.interval.map(figure::interval),
        "errors": figure::grouped(row.errors),
    })
}

fn decided(row: &Decided) -> Value {
    let share = |value: Option<f64>| value.map(|value| figure::percent(value, 1));
    json!({
        "threshold": threshold(row.threshold),
        "count": figure::grouped(row.count),
        "precision": share(row.precision),
        "recall": share(row.recall),
        "f1": share(row.f1),
    })
}

fn threshold(value: f64) -> String {
    format!("{}%", figure::rate(value * 100.0))
}

fn chart(outcome: &Outcome) -> Chart {
    let coverage = outcome.accepted.iter().map(|row| (row.threshold, row.coverage));
    let accuracy = outcome.accepted.iter().map(|row| (row.threshold, row.accuracy.unwrap_or(f64::NAN)));
    let values = coverage.clone().chain(accuracy.clone()).map(|(_, value)| value);
    let half = outcome.accepted.iter().rfind(|row| row.coverage >= 0.5);
    let description = half.and_then(|row| {
        Some(format!(
            "At a threshold of {}, {} are accepted and {} of those are right.",
            threshold(row.threshold),
            figure::percent(row.coverage, 1),
            figure::percent(row.accuracy?, 1)
        ))
    });
    Chart {
        title: "What is accepted, and how much of it is right".to_owned(),
        alternative: "Coverage and accuracy by confidence threshold".to_owned(),
        description: description.unwrap_or_default(),
        x: Axis::all_shares("least confidence (%)"),
        y: Axis::shares("share (%)", values).unwrap_or_else(|| Axis::all_shares("share (%)")),
        series: vec![
            Series { name: "accuracy of what is accepted".to_owned(), look: 0, drawn: Drawn::Line(accuracy.collect()) },
            Series { name: "accepted, of all".to_owned(), look: 1, drawn: Drawn::Line(coverage.collect()) },
        ],
        mark: None,
        diagonal: None,
        shape: Shape::Wide,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluation::{ThresholdTable, statistics::tests::invented},
        report::{render, sample::sample},
    };

    fn with(outcome: Outcome) -> Record {
        let mut record = sample();
        record.evaluation.as_mut().unwrap().steps = vec![outcome.into()];
        record
    }

    #[test]
    fn what_accepts_everything_is_said_once() {
        let data = data(&with(ThresholdTable::default().outcome(&invented(2, 300)))).unwrap();
        let rows = data["rows"].as_array().unwrap();
        // Of two classes, one has at least 50%: the row of 50% is the last that accepts all.
        assert_eq!((&rows[0]["threshold"], &rows[0]["coverage"]), (&json!("50%"), &json!("100.0%")));
        assert_eq!(rows.len(), 7);
        assert_eq!(data["decided"].as_array().unwrap().len(), 12);
    }

    #[test]
    fn without_probabilities_it_says_so() {
        let html = render(&with(ThresholdTable::default().outcome(&invented(3, 0)))).unwrap();
        assert!(html.contains("probabilities that are not numbers"));
    }
}
