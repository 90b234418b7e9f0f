//! Whether probabilities can be taken at their word: the reliability diagram, and the errors.

use super::{
    Section,
    chart::{Axis, Bar, Chart, Diagonal, Drawn, Numbers, Series, Shape},
    figure,
};
use crate::{
    evaluation::{
        calibration::{Bin, Outcome},
        statistics::wilson,
    },
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "calibration",
    title: "Calibration",
    template: include_str!("../../templates/sections/calibration.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let evaluation = record.evaluation.as_ref()?;
    let outcome = evaluation.results::<Outcome>().next()?;
    let two_classes = record.info.data.as_ref().is_some_and(|data| data.classes.len() == 2);
    let examples = outcome.bins.iter().map(|bin| bin.count).sum::<u64>();
    if examples == 0 {
        return Some(json!({ "verdict": null }));
    }
    let score = |value: Option<f64>| value.map(figure::number);
    let share = |value: Option<f64>| value.map(|value| figure::percent(value, 2));
    Some(json!({
        "verdict": verdict(outcome, examples),
        "scores": [
            ("Expected calibration error", share(outcome.expected_error), "mean distance of the bars from the diagonal, weighted by examples"),
            ("Maximum calibration error", share(outcome.maximum_error), "the largest of these distances, which may be that of a bin with few examples"),
            ("Brier score", score(outcome.brier_score), if two_classes { "0 is best, 1 worst" } else { "0 is best, 2 worst" }),
            ("Log loss", score(outcome.log_loss), "0 is best; without knowledge ln of the number of classes"),
        ],
        "bins": outcome.bins.len(),
        "reliability": reliability(outcome).data("calibration-reliability", Some(&numbers(outcome))),
        "distribution": distribution(outcome, examples).data("calibration-distribution", None),
    }))
}

/// By how much it is too sure, or that this cannot be told: a bold beginning and how it goes on.
fn verdict(outcome: &Outcome, examples: u64) -> Option<(String, String)> {
    let (confidence, accuracy) = (outcome.confidence?, outcome.accuracy?);
    let (low, high) = wilson(accuracy, usize::try_from(examples).unwrap_or(usize::MAX));
    let points = format!("{:.1} points", (confidence - accuracy).abs() * 100.0);
    let said = format!(
        "its mean confidence is {}, and {} of its predictions are right",
        figure::percent(confidence, 1),
        figure::percent(accuracy, 1)
    );
    Some(if (low..=high).contains(&confidence) {
        let end = format!("{said} (95% interval {}).", figure::interval((low, high)));
        ("Neither over- nor underconfident on the whole:".to_owned(), end)
    } else if confidence > accuracy {
        (format!("Overconfident by {points}:"), format!("{said}."))
    } else {
        (format!("Underconfident by {points}:"), format!("{said}."))
    })
}

fn reliability(outcome: &Outcome) -> Chart {
    let filled = || outcome.bins.iter().filter_map(|bin| Some((bin, bin.confidence?, bin.accuracy?)));
    let bars = filled().map(|(bin, confidence, accuracy)| Bar {
        from_to: (bin.above, bin.up_to),
        height: accuracy,
        interval: bin.interval.map(|interval| (confidence, interval)),
    });
    let points = filled().map(|(_, confidence, accuracy)| (confidence, accuracy));
    let worst = filled().max_by(|a, b| (a.1 - a.2).abs().total_cmp(&(b.1 - b.2).abs()));
    let description = worst.map_or_else(String::new, |(bin, confidence, accuracy)| {
        format!(
            "Farthest from the diagonal: of {} with a mean confidence of {}, {} are right.",
            figure::counted(usize::try_from(bin.count).unwrap_or(usize::MAX), "prediction", "predictions"),
            figure::percent(confidence, 1),
            figure::percent(accuracy, 1)
        )
    });
    Chart {
        title: "Reliability".to_owned(),
        alternative: "Share of right predictions by confidence, in bins".to_owned(),
        description,
        x: Axis::all_shares("confidence (%)"),
        y: Axis::all_shares("right (%)"),
        series: vec![
            Series { name: "right in the bin".to_owned(), look: 0, drawn: Drawn::Bars(bars.collect()) },
            Series {
                name: "at its mean confidence, with 95% interval".to_owned(),
                look: 0,
                drawn: Drawn::Points(points.collect()),
            },
        ],
        mark: None,
        diagonal: Some(Diagonal { name: "as it should be", rising: true }),
        shape: Shape::Square,
    }
}

fn distribution(outcome: &Outcome, examples: u64) -> Chart {
    let share = |bin: &Bin| bin.count as f64 / examples as f64;
    let bars =
        outcome.bins.iter().map(|bin| Bar { from_to: (bin.above, bin.up_to), height: share(bin), interval: None });
    let heights = outcome.bins.iter().map(share).chain([0.0]);
    let sure = outcome.bins.last().map_or(0.0, share);
    let last = outcome.bins.last().map_or(0.0, |bin| bin.above);
    Chart {
        title: "How sure it is".to_owned(),
        alternative: "Share of predictions by confidence, in bins".to_owned(),
        description: format!(
            "{} of the predictions have a confidence above {}.",
            figure::percent(sure, 1),
            figure::percent(last, 0)
        ),
        x: Axis::all_shares("confidence (%)"),
        y: Axis::shares("predictions (%)", heights).unwrap_or_else(|| Axis::all_shares("predictions (%)")),
        series: vec![Series { name: String::new(), look: 0, drawn: Drawn::Bars(bars.collect()) }],
        mark: None,
        diagonal: None,
        shape: Shape::Low,
    }
}

fn numbers(outcome: &Outcome) -> Numbers {
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure::percent(value, 1));
    let row = |bin: &Bin| {
        vec![
            format!("{} to {}", figure::percent(bin.above, 1), figure::percent(bin.up_to, 1)),
            figure::grouped(bin.count),
            share(bin.confidence),
            share(bin.accuracy),
            bin.interval.map_or_else(|| "–".to_owned(), figure::interval),
        ]
    };
    Numbers {
        name: "Right predictions by confidence".to_owned(),
        columns: ["Confidence", "Examples", "Mean confidence", "Right", "95% interval"].map(str::to_owned).to_vec(),
        rows: outcome.bins.iter().map(row).collect(),
        places: outcome.bins.iter().map(|bin| f64::midpoint(bin.above, bin.up_to)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluation::{Calibration, StepResult, statistics::tests::invented},
        report::{render, sample::sample},
    };

    fn of(confidence: f64, accuracy: f64) -> String {
        let outcome = Outcome {
            confidence: Some(confidence),
            accuracy: Some(accuracy),
            ..Calibration::default().outcome(&invented(3, 10))
        };
        verdict(&outcome, 1000).unwrap().0
    }

    #[test]
    fn confidence_is_judged_by_what_can_be_told() {
        assert_eq!(of(0.95, 0.9), "Overconfident by 5.0 points:");
        assert_eq!(of(0.85, 0.9), "Underconfident by 5.0 points:");
        assert_eq!(of(0.905, 0.9), "Neither over- nor underconfident on the whole:");
    }

    #[test]
    fn bins_are_bars_and_rows() {
        let data = data(&sample()).unwrap();
        assert_eq!(data["reliability"]["numbers"]["rows"].as_array().unwrap().len(), 15);
        assert!(data["reliability"]["description"].as_str().unwrap().starts_with("Farthest from the diagonal: of "));
    }

    #[test]
    fn without_probabilities_it_says_so() {
        let mut record = sample();
        for step in &mut record.evaluation.as_mut().unwrap().steps {
            if let StepResult::Calibration(outcome) = step {
                *outcome = Calibration::default().outcome(&invented(3, 0));
            }
        }
        assert!(render(&record).unwrap().contains("probabilities that are not numbers"));
    }
}
