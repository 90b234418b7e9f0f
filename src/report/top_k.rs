//! How often the true class is among the k most probable ones.

use super::{Section, figure};
use crate::{evaluation::top_k, run::Record};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "top-k",
    title: "Top-k accuracy",
    template: include_str!("../../templates/sections/top_k.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<top_k::Outcome>().next()?;
    let rows: Vec<Value> = outcome
        .rows
        .iter()
        .map(|row| {
            json!({
                "k": row.k,
                "share": figure::percent(row.share, 2),
                "interval": figure::interval(row.interval),
                "right": figure::grouped(row.right),
                "chance": figure::percent(f64::from(row.k) / outcome.classes as f64, 1),
                "width": (row.share * 100.0).round(),
            })
        })
        .collect();
    Some(json!({ "rows": rows, "examples": figure::grouped(outcome.examples) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::StepResult;
    use crate::report::{render, sample::sample};

    #[test]
    fn a_row_for_each_k() {
        let data = data(&sample()).unwrap();
        let rows = data["rows"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["k"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 5]);
        assert_eq!((&rows[0]["share"], &rows[3]["chance"]), (&json!("72.80%"), &json!("50.0%")));
    }

    #[test]
    fn without_probabilities_it_says_so() {
        let mut record = sample();
        for step in &mut record.evaluation.as_mut().unwrap().steps {
            if let StepResult::TopK(outcome) = step {
                outcome.rows.clear();
            }
        }
        assert!(render(&record).unwrap().contains("probabilities that are not numbers"));
    }
}
