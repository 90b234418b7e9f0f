//! Predicted numbers against the true ones, what is left between them, and where that is most.

use super::{
    Section,
    chart::{Axis, Bar, Chart, Diagonal, Drawn, Numbers, Series, Shape},
    figure,
};
use crate::{
    evaluation::{
        Histogram,
        residuals::{Missed, Outcome},
    },
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "residuals",
    title: "Residuals",
    template: include_str!("../../templates/sections/residuals.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    let target = record.info.data.as_ref().and_then(|data| data.target.as_deref()).unwrap_or("the number");
    Some(json!({
        "target": target,
        "mean": outcome.mean.map(figure::number),
        "deviation": outcome.deviation.map(figure::number),
        "examples": figure::counted(outcome.examples, "test example", "test examples"),
        "drawn": (outcome.points.len() < outcome.examples).then(|| figure::count(outcome.points.len())),
        "scatter": scatter(outcome, target).map(|chart| chart.data("residuals-scatter", None)),
        "histogram": outcome.histogram.as_ref().and_then(|histogram| {
            let chart = bars(histogram, "Residuals", &format!("{target}, true less predicted"))?;
            Some(chart.data("residuals-histogram", Some(&numbers(histogram, "Residuals by range"))))
        }),
        "worst": outcome.worst.iter().map(missed).collect::<Vec<_>>(),
    }))
}

fn missed(missed: &Missed) -> Value {
    let [target, predicted] = [missed.target, missed.predicted].map(f64::from);
    json!({
        "name": if missed.name == missed.index.to_string() { format!("example {}", missed.index) } else { missed.name.clone() },
        "target": figure::number(target),
        "predicted": figure::number(predicted),
        "residual": figure::difference("residual", target - predicted),
    })
}

fn scatter(outcome: &Outcome, target: &str) -> Option<Chart> {
    let points: Vec<(f64, f64)> = outcome.points.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).collect();
    let both = || points.iter().flat_map(|(x, y)| [*x, *y]);
    let above = points.iter().filter(|(x, y)| y > x).count() as f64 / points.len().max(1) as f64;
    Some(Chart {
        title: "Predicted against true".to_owned(),
        alternative: format!("What the model says of {target} against what it is, example by example"),
        description: format!(
            "{} of the points lie above the diagonal: more is said than it is.",
            figure::percent(above, 1)
        ),
        x: Axis::numbers(format!("true {target}"), both())?,
        y: Axis::numbers(format!("predicted {target}"), both())?,
        series: vec![Series { name: "examples".to_owned(), look: 0, drawn: Drawn::Points(points) }],
        mark: None,
        diagonal: Some(Diagonal { name: "as it should be", rising: true }),
        shape: Shape::Square,
    })
}

/// How values are spread.
pub(super) fn bars(histogram: &Histogram, title: &str, of_what: &str) -> Option<Chart> {
    // A single value has a place and no width.
    let half = if histogram.to > histogram.from { 0.0 } else { 0.01 * histogram.from.abs().max(1.0) };
    let bar = |((from, to), count): ((f64, f64), u64)| Bar {
        from_to: (from - half, to + half),
        height: count as f64,
        interval: None,
    };
    let most = histogram.bins().max_by_key(|(_, count)| *count)?;
    let counts = histogram.counts.iter().map(|count| *count as f64).chain([0.0]);
    Some(Chart {
        title: title.to_owned(),
        alternative: format!("How many examples there are by {of_what}, in ranges of equal width"),
        description: format!(
            "Most, {}, lie from {} to {}.",
            figure::grouped(most.1),
            figure::number(most.0.0),
            figure::number(most.0.1)
        ),
        x: Axis::numbers(of_what, [histogram.from - half, histogram.to + half].into_iter())?,
        y: Axis::numbers("examples", counts)?,
        series: vec![Series { name: String::new(), look: 0, drawn: Drawn::Bars(histogram.bins().map(bar).collect()) }],
        mark: None,
        diagonal: None,
        shape: Shape::Low,
    })
}

/// The numbers behind [`bars`].
pub(super) fn numbers(histogram: &Histogram, title: &str) -> Numbers {
    let row = |((from, to), count): ((f64, f64), u64)| {
        let middle = f64::midpoint(from, to);
        (middle, vec![format!("{} to {}", figure::number(from), figure::number(to)), figure::grouped(count)])
    };
    let (places, rows) = histogram.bins().map(row).unzip();
    Numbers { name: title.to_owned(), columns: ["Range", "Examples"].map(str::to_owned).to_vec(), rows, places }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluation::{Estimates, Residuals},
        report::{render, sample::regression},
    };

    fn record(targets: &[f32], predicted: &[f32]) -> Record {
        let estimates = Estimates { targets: targets.to_vec(), predicted: predicted.to_vec() };
        let mut record = regression();
        record.info.data.as_mut().unwrap().target = Some("<b>price</b>".to_owned());
        let outcome = Residuals { count: 2 }.outcome(&estimates, |index| format!("test.csv row {}", index + 1));
        record.evaluation.as_mut().unwrap().steps = vec![outcome.into()];
        record
    }

    #[test]
    fn the_rows_that_are_farthest_off_are_listed() {
        let record = record(&[1.0, 2.0, 3.0, 4000.0], &[1.5, 1.0, 3.0, 1000.0]);
        let data = data(&record).unwrap();
        assert_eq!(data["worst"][0]["name"], "test.csv row 4");
        assert_eq!(
            (&data["worst"][0]["residual"], &data["worst"][1]["residual"]),
            (&json!("+3,000"), &json!("+1.0000"))
        );
        let html = render(&record).unwrap();
        assert!(html.contains("&lt;b&gt;price") && !html.contains("<b>price"));
        assert!(html.contains("Predicted against true"));
    }

    #[test]
    fn without_examples_or_without_a_difference_nothing_breaks() {
        let nothing = data(&record(&[], &[])).unwrap();
        assert_eq!((&nothing["scatter"], &nothing["histogram"]), (&Value::Null, &Value::Null));
        render(&record(&[], &[])).unwrap();
        let same = data(&record(&[2.0; 3], &[2.0; 3])).unwrap();
        assert!(same["scatter"].is_object() && same["histogram"].is_object());
    }
}
