//! The usual figures with their intervals.

use super::{Section, figure};
use crate::{
    evaluation::metrics::{Figure, Method, Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "metrics", title: "Metrics", template: include_str!("../../templates/sections/metrics.html"), data };

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    let scale = scale(outcome);
    let most_frequent = outcome
        .most_frequent
        .as_ref()
        .map(|(class, share)| json!({ "class": class, "accuracy": figure::percent(*share, 2) }));
    let constant = outcome.constant.map(|constant| {
        json!({
            "absolute": figure::number(constant.mean_absolute_error),
            "squared": figure::number(constant.root_mean_squared_error),
        })
    });
    let drawn = outcome.figures.iter().any(is_bounded);
    Some(json!({
        "rows": outcome.figures.iter().map(|figure| row(figure, scale)).collect::<Vec<_>>(),
        "from": drawn.then(|| figure::rate(scale)),
        "examples": figure::counted(usize::try_from(outcome.examples).unwrap_or(usize::MAX), "test example", "test examples"),
        "resamples": figure::grouped(u64::from(outcome.resamples)),
        "most_frequent": most_frequent,
        "constant": constant,
        "undefined": outcome.figures.iter().any(|figure| figure.value.is_none()),
        "without_interval": outcome.figures.iter().any(|figure| figure.value.is_some() && figure.interval.is_none()),
    }))
}

/// Whether a figure is at most 1, and the better the nearer to it.
fn is_bounded(figure: &Figure) -> bool {
    figure.name != "log_loss" && !figure.name.ends_with("_error")
}

/// Where the drawn intervals begin, a tenth; they end at 1.
fn scale(outcome: &Outcome) -> f64 {
    let bounded = outcome.figures.iter().filter(|figure| is_bounded(figure));
    let least = bounded.filter_map(|figure| Some(figure.interval?.0)).fold(1.0, f64::min);
    ((least * 10.0).floor() / 10.0).min(0.9)
}

fn row(figure: &Figure, from: f64) -> Value {
    let share = figure::is_share(&figure.name);
    let shown = |value: f64| if share { figure::percent(value, 2) } else { figure::number(value) };
    // In thousandths of the way from `from` to 1.
    let place = |value: f64| ((value - from) / (1.0 - from) * 1000.0).round().clamp(0.0, 1000.0);
    let drawn = figure.value.zip(figure.interval).filter(|_| is_bounded(figure)).map(|(value, (low, high))| {
        let (left, right) = (place(low), place(high));
        json!({ "left": left, "width": (right - left).max(4.0), "value": place(value) })
    });
    json!({
        "name": name(&figure.name),
        "value": figure.value.map(shown),
        "interval": figure.interval.map(|bounds| figure::interval_of(&figure.name, bounds)),
        "drawn": drawn,
        "method": match figure.method { Method::Wilson => "Wilson", Method::Bootstrap => "bootstrap" },
    })
}

/// A figure's name as papers write it.
fn name(name: &str) -> String {
    match name {
        "macro_roc_auc" => "ROC AUC, macro, one against the rest".to_owned(),
        "cohen_kappa" => "Cohen's κ".to_owned(),
        "matthews_correlation" => "Matthews' correlation".to_owned(),
        "top_5_accuracy" => "Top-5 accuracy".to_owned(),
        "r2_score" => "R²".to_owned(),
        _ => match name.split_once('_') {
            Some((average @ ("macro" | "weighted"), figure)) => format!("{}, {average}", figure::capitalised(figure)),
            _ => figure::capitalised(&figure::in_words(name)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluation::StepResult,
        report::{render, sample::sample},
    };

    #[test]
    fn a_figure_has_its_interval_and_its_method() {
        let data = data(&sample()).unwrap();
        let row = |name: &str| data["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
        assert_eq!(row("Accuracy")["method"], "Wilson");
        assert_eq!(row("Accuracy")["value"], "72.80%");
        assert_eq!(row("F1, macro")["method"], "bootstrap");
        assert!(row("F1, macro")["interval"].as_str().unwrap().ends_with('%'));
        assert!(row("Log loss")["drawn"].is_null());
        assert!(row("ROC AUC, macro, one against the rest")["value"].as_str().unwrap().starts_with("0."));
        assert_eq!(data["most_frequent"]["accuracy"], "10.00%");
    }

    #[test]
    fn what_is_not_defined_is_said_to_be_so() {
        let mut record = sample();
        for step in &mut record.evaluation.as_mut().unwrap().steps {
            if let StepResult::Metrics(outcome) = step {
                outcome.figures.iter_mut().for_each(|figure| (figure.value, figure.interval) = (None, None));
            }
        }
        assert_eq!(data(&record).unwrap()["undefined"], true);
        assert!(render(&record).unwrap().contains("not defined"));
    }
}
