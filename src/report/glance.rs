//! Three questions that a reader has, each answered in a few words with a link to where more is said.

use super::figure;
use crate::{
    evaluation::{
        calibration, classification_report, confusion_matrix, learning_curves, metrics, residuals, statistics::Z,
    },
    run::{EvaluationRecord, Record},
};
use serde_json::{Value, json};

/// The questions with their answers; none where nothing was evaluated.
pub(super) fn data(record: &Record) -> Vec<Value> {
    let Some(evaluation) = record.evaluation.as_ref().filter(|evaluation| evaluation.examples > 0) else {
        return Vec::new();
    };
    let questions = [
        ("Is it good?", good(record, evaluation)),
        ("Where does it fail?", weak(evaluation)),
        ("Can I trust it?", trustworthy(record, evaluation)),
    ];
    let answered = questions.into_iter().filter(|(_, points)| !points.is_empty());
    let mut answers: Vec<Value> =
        answered.map(|(question, points)| json!({ "question": question, "points": points })).collect();
    // Nothing leads to a section that the pipeline left out.
    let shown = |id: &str| {
        let chosen = &record.info.sections;
        chosen.is_empty() || chosen.iter().any(|section| section.name() == id.replace('-', "_"))
    };
    for point in answers.iter_mut().filter_map(|answer| answer["points"].as_array_mut()).flatten() {
        if point["leads_to"].as_str().is_some_and(|id| !shown(id)) {
            point["leads_to"] = Value::Null;
        }
    }
    answers
}

/// An answer: what is said, what of it was written by a user, and where more stands.
fn point(parts: &[Part<'_>], leads_to: Option<&str>) -> Value {
    let part = |part: &Part<'_>| match part {
        Part::Words(words) => json!({ "text": words, "named": false }),
        Part::Name(name) => json!({ "text": name, "named": true }),
    };
    json!({ "parts": parts.iter().map(part).collect::<Vec<_>>(), "leads_to": leads_to })
}

enum Part<'a> {
    Words(String),
    /// The name of a class.
    Name(&'a str),
}

fn words(text: impl Into<String>) -> Part<'static> {
    Part::Words(text.into())
}

fn good(record: &Record, evaluation: &EvaluationRecord) -> Vec<Value> {
    let mut points = Vec::new();
    if let Some(&accuracy) = evaluation.metrics.get("test_accuracy").filter(|accuracy| accuracy.is_finite()) {
        let interval = evaluation.interval("test_accuracy").map(figure::interval).unwrap_or_default();
        let examples = figure::counted(evaluation.examples, "test example", "test examples");
        let text =
            format!("{} of {examples} are predicted right (95% interval {interval}).", figure::percent(accuracy, 1));
        points.push(point(&[words(text)], None));
    }
    if let Some((class, share)) = baseline(record) {
        // Only what chance doesn't explain is better or worse.
        let than = match evaluation.interval("test_accuracy") {
            Some((low, _)) if low > share => "better than",
            Some((_, high)) if high < share => "worse than",
            Some(_) => "no better than",
            None => "to be compared with",
        };
        let after = format!(", the most frequent class for training: right for {}.", figure::percent(share, 1));
        let parts = [words(format!("That is {than} always saying ")), Part::Name(class), words(after)];
        points.push(point(&parts, Some("data")));
    }
    points.extend(evaluation.results::<metrics::Outcome>().next().and_then(near));
    if let Some(curves) = evaluation.results::<learning_curves::Outcome>().next() {
        let said = match curves.trend {
            learning_curves::Trend::Improving => {
                Some("The loss was still falling in the end: more epochs may bring more.")
            }
            learning_curves::Trend::Overfitting => {
                Some("It overfitted in the end: the validation loss rose while the training loss fell.")
            }
            learning_curves::Trend::Settled => Some("The loss had settled in the end."),
            learning_curves::Trend::Unclear => None,
        };
        points.extend(said.map(|said| point(&[words(said)], Some("learning-curves"))));
    }
    points
}

/// How far off predicted numbers are.
fn near(outcome: &metrics::Outcome) -> Option<Value> {
    let constant = outcome.constant?;
    let error = outcome.figures.iter().find(|figure| figure.name == "mean_absolute_error")?;
    let (value, (low, high)) = (error.value?, error.interval?);
    // Only what chance doesn't explain is better or worse.
    let than = match constant.mean_absolute_error {
        other if high < other => "better than",
        other if low > other => "worse than",
        _ => "no better than",
    };
    let text = format!(
        "Predictions are {} off on average (95% interval {} to {}): {than} always saying the same number, which would be {} \
         off at best.",
        figure::number(value),
        figure::number(low),
        figure::number(high),
        figure::number(constant.mean_absolute_error)
    );
    Some(point(&[words(text)], Some("metrics")))
}

/// The most frequent class of the training data, and its share of the test data.
fn baseline(record: &Record) -> Option<(&str, f64)> {
    let inspection = record.inspection.as_ref()?;
    let of = |name: &str| inspection.splits.iter().find(|split| split.name == name);
    let (train, test) = (of("train")?, of("test")?);
    let most = train.per_class.iter().max().filter(|most| **most > 0)?;
    let class = train.per_class.iter().position(|count| count == most)?;
    let examples: usize = test.per_class.iter().sum();
    let share = *test.per_class.get(class)? as f64 / examples.max(1) as f64;
    Some((inspection.classes.get(class)?, share))
}

fn weak(evaluation: &EvaluationRecord) -> Vec<Value> {
    let mut points = Vec::new();
    let worst = evaluation.results::<residuals::Outcome>().next().and_then(|outcome| outcome.worst.first());
    if let Some(residuals::Missed { name, target, predicted, .. }) = worst {
        let [target, predicted] = [*target, *predicted].map(|number| figure::number(f64::from(number)));
        let parts = [words("Farthest off at "), Part::Name(name), words(format!(": {predicted} for {target}."))];
        points.push(point(&parts, Some("residuals")));
    }
    if let Some(table) = evaluation.results::<classification_report::Outcome>().next() {
        let recalls = || table.classes.iter().filter_map(|row| Some((row.name.as_str(), row.recall?)));
        points.extend(weakest(recalls().collect()));
    }
    if let Some(matrix) = evaluation.results::<confusion_matrix::Outcome>().next() {
        let all: u64 = matrix.counts.iter().flatten().sum();
        let of_guess = |guess: usize| matrix.counts.iter().map(|row| row[guess]).sum::<u64>();
        if let Some(only) = (0..matrix.classes.len()).find(|&guess| all > 0 && of_guess(guess) == all) {
            let parts = [words("It says "), Part::Name(&matrix.classes[only]), words(" of every example.")];
            return vec![point(&parts, Some("confusion-matrix"))];
        }
        let cells = matrix.counts.iter().enumerate().flat_map(|(truth, row)| {
            row.iter()
                .enumerate()
                .filter(move |(guess, _)| *guess != truth)
                .map(move |(guess, count)| (*count, truth, guess))
        });
        // Of equal counts the first.
        let most = cells
            .filter(|cell| cell.0 > 0)
            .max_by_key(|&(count, truth, guess)| (count, std::cmp::Reverse((truth, guess))));
        match most {
            Some((count, truth, guess)) => {
                let name = |class: usize| matrix.classes.get(class).map_or("?", String::as_str);
                let total: u64 = matrix.counts[truth].iter().sum();
                let as_often = matrix.counts.iter().enumerate().flat_map(|(truth, row)| {
                    row.iter().enumerate().filter(move |&(guess, other)| guess != truth && *other == count)
                });
                let others = match as_often.count() - 1 {
                    0 => String::new(),
                    others => format!("; {others} other pairs as often"),
                };
                let text = format!(", {} of {}{others}.", figure::grouped(count), figure::grouped(total));
                let parts = [
                    words("Most often "),
                    Part::Name(name(truth)),
                    words(" is taken for "),
                    Part::Name(name(guess)),
                    words(text),
                ];
                points.push(point(&parts, Some("confusion-matrix")));
            }
            None => points.push(point(&[words("Nowhere on these examples.")], None)),
        }
    }
    points
}

/// The classes with the least recall, where one isn't recognised whole; of many, how many there are.
fn weakest(recalls: Vec<(&str, f64)>) -> Option<Value> {
    const NAMED: usize = 3;
    let least = recalls.iter().map(|(_, recall)| *recall).min_by(f64::total_cmp).filter(|least| *least < 1.0)?;
    let classes: Vec<&str> = recalls.iter().filter(|(_, recall)| *recall == least).map(|(name, _)| *name).collect();
    let mut parts = vec![words(if classes.len() == 1 { "Weakest class " } else { "Weakest classes " })];
    for (at, class) in classes.iter().take(NAMED).enumerate() {
        parts.extend((at > 0).then(|| words(", ")));
        parts.push(Part::Name(class));
    }
    let more = match classes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    parts.push(words(format!("{more}: {} of its examples are recognised.", figure::percent(least, 1))));
    Some(point(&parts, Some("classification-report")))
}

fn trustworthy(record: &Record, evaluation: &EvaluationRecord) -> Vec<Value> {
    let mut points = Vec::new();
    let mut say = |text: String, leads_to: &str| points.push(point(&[words(text)], Some(leads_to)));
    let data = record.info.data.as_ref();
    match data.map(|data| data.validation_kind.as_str()) {
        Some("test") => {
            say("It was validated on the test split: the test figures are optimistic.".into(), "time-and-data")
        }
        Some("none") => say("Training never saw the test split.".into(), "time-and-data"),
        Some(_) => say("Neither training nor validation saw the test split.".into(), "time-and-data"),
        None => {}
    }
    if let Some(found) = record.inspection.as_ref().and_then(|inspection| inspection.duplicates.as_ref()) {
        let said = match found.test_in_train {
            0 => "No test example is a copy of a training example.".to_owned(),
            1 => "One test example is a copy of a training example.".to_owned(),
            copies => format!("{} test examples are copies of training examples.", figure::count(copies)),
        };
        say(said, "data");
    }
    if let Some(skipped) = data.map(|data| data.skipped.len()).filter(|skipped| *skipped > 0) {
        say(figure::counted(skipped, "example was", "examples were") + " left out as unreadable.", "data");
    }
    if let Some((confidence, accuracy)) =
        evaluation.results::<calibration::Outcome>().next().and_then(|outcome| outcome.confidence.zip(outcome.accuracy))
    {
        let points = (confidence - accuracy) * 100.0;
        let how = match points {
            points if points > 1.0 => format!("overconfident by {points:.1} points"),
            points if points < -1.0 => format!("underconfident by {:.1} points", -points),
            _ => "as sure as it is right".to_owned(),
        };
        let (sure, right) = (figure::percent(confidence, 1), figure::percent(accuracy, 1));
        let said = format!("It is {how}: {sure} sure on average, and right for {right}.");
        say(said, "calibration");
    }
    if let Some(said) = evaluation.results::<residuals::Outcome>().next().and_then(bias) {
        say(said, "residuals");
    }
    say("It is one training: another seed would give somewhat other figures.".into(), "provenance");
    if record.info.provenance.git_commit.as_ref().is_some_and(|commit| commit.ends_with("-dirty")) {
        say("The files had changes that were not committed.".into(), "provenance");
    }
    points
}

/// Whether predictions are too large or too small as a whole.
fn bias(outcome: &residuals::Outcome) -> Option<String> {
    let (mean, deviation) = (outcome.mean?, outcome.deviation?);
    let half = Z * deviation / (outcome.examples as f64).sqrt();
    let size = figure::number(mean.abs());
    Some(match mean {
        mean if mean > half => format!("It says too little: {size} on average."),
        mean if mean < -half => format!("It says too much: {size} on average."),
        _ => "It says neither too much nor too little on average.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    fn told(points: &[Value]) -> Vec<String> {
        let text = |point: &Value| {
            let parts = point["parts"].as_array().unwrap().iter();
            parts.map(|part| part["text"].as_str().unwrap()).collect::<String>()
        };
        points.iter().map(text).collect()
    }

    #[test]
    fn the_questions_are_answered_from_the_record() {
        let mut record = sample();
        let evaluation = record.evaluation.clone().unwrap();
        let good = told(&good(&record, &evaluation));
        let baseline = "better than always saying airplane, the most frequent class for training: right for 11.3%.";
        assert_eq!(good[1], format!("That is {baseline}"));
        let weak = told(&weak(&evaluation));
        assert!(weak[0].starts_with("Weakest class airplane: "), "{weak:?}");
        assert!(weak[1].starts_with("Most often "), "{weak:?}");
        let trust = told(&trustworthy(&record, &evaluation));
        assert!(trust.contains(&"2 test examples are copies of training examples.".to_owned()), "{trust:?}");
        assert!(trust[0].contains("optimistic"));
        assert_eq!(data(&record).len(), 3);
        record.evaluation = None;
        assert_eq!(data(&record).len(), 0);
    }
}
