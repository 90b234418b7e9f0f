//! How the run ended, whether its expectations held, and its headline figures.

use super::{Section, figure, glance};
use crate::{
    evaluation::significance::LEVEL,
    run::{DataInfo, EvaluationRecord, ExpectationResult, Judgement, Numbers, Previous, Record, Status},
};
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "verdict", title: "Verdict", template: include_str!("../../templates/sections/verdict.html"), data };

fn data(record: &Record) -> Option<Value> {
    let info = &record.info;
    let (state, verdict) = verdict(record);
    let data = info.data.as_ref();
    let reason = info.reason.as_deref().filter(|_| info.status != Status::Failed);
    Some(json!({
        "state": state,
        "verdict": verdict,
        "reason": reason,
        "details": info.details,
        "expectations": info.expectations.iter().map(expectation).collect::<Vec<_>>(),
        "metrics": metrics(record),
        "previous": record.evaluation.as_ref().zip(info.previous.as_ref()).map(|(now, before)| {
            previous(now, before, data.is_some_and(|data| data.target.is_some()))
        }),
        "reproduction": info.reproduction.as_ref().map(|it| json!({
            "state": if it.holds { "yes" } else { "no" }, "lock": it.lock, "said": it.said, "details": it.details,
        })),
        "seeds": info.seeds,
        "glance": glance::data(record),
        "validation": data.map(validation),
        "optimistic": data.filter(|data| data.validation_kind == "test").map(|_| optimism(record)),
    }))
}

/// The kind of verdict, which decides on colour and sign, and its words.
fn verdict(record: &Record) -> (&'static str, String) {
    let info = &record.info;
    let done = info.training.epochs_done;
    let all = info.expectations.len();
    let held = |judgement| info.expectations.iter().filter(|e| e.judgement() == judgement).count();
    let open = match held(Judgement::Inconclusive) {
        0 => String::new(),
        open => format!(", {} inconclusive", figure::count(open)),
    };
    let held = format!(
        "{} of {} held{open}",
        figure::count(held(Judgement::Passed)),
        figure::counted(all, "expectations", "expectations")
    );
    match info.status {
        Status::Running => {
            let at = (done + 1).min(info.training.epochs.max(1));
            let doing = match (record.evaluation.is_some(), info.training.stopped_early || done >= info.training.epochs)
            {
                _ if info.training.epochs == 0 => "preparing".to_owned(),
                (true, _) | (_, true) => "evaluating".to_owned(),
                _ => format!("epoch {} of at most {}", figure::count(at), figure::count(info.training.epochs)),
            };
            ("running", format!("Running: {doing}"))
        }
        Status::Interrupted if done == 0 => ("interrupted", "Interrupted before the first epoch was done".to_owned()),
        Status::Interrupted => ("interrupted", format!("Interrupted after epoch {}", figure::count(done))),
        Status::Failed => ("failed", format!("Failed: {}", info.reason.as_deref().unwrap_or("no reason was recorded"))),
        Status::Completed if info.reproduction.as_ref().is_some_and(|it| !it.holds) => {
            ("failed", "Failed: it didn't give again what its lock says".to_owned())
        }
        Status::Completed if all == 0 => ("completed", "Completed; no expectations were set".to_owned()),
        Status::Completed if info.expectations.iter().all(|e| e.met) => ("passed", format!("Passed: {held}")),
        Status::Completed => ("failed", format!("Failed: {held}")),
    }
}

/// What the table of expectations shows of one.
pub(super) fn expectation(expectation: &ExpectationResult) -> Value {
    let name = &expectation.figure;
    let is_share = figure::is_share(name);
    // What the user wrote is shown as exactly as it was written.
    let bound = |value: f64| {
        if is_share { format!("{}%", figure::rate(value * 100.0)) } else { figure::rate(value) }
    };
    let difference = |value: f64| match figure::rate(value * 100.0) {
        _ if !is_share => figure::rate(value),
        one if one == "1" => "1 point".to_owned(),
        points => format!("{points} points"),
    };
    let numbers = Numbers { bound: &bound, difference: &difference, value: &|value| figure::of(name, value) };
    json!({
        "figure": name,
        "asked": expectation.asked(&numbers),
        "value": expectation.came_to(&numbers),
        "interval": expectation.interval.map(|bounds| figure::interval_of(name, bounds)),
        "outcome": expectation.judgement(),
        "met": expectation.met,
        "doubt": expectation.doubt().filter(|_| expectation.value.is_some()),
    })
}

/// The tiles: test figures where there are some, accuracy first, then validation, then epochs.
fn metrics(record: &Record) -> Vec<Value> {
    let info = &record.info;
    let training = &info.training;
    let mut tiles = Vec::new();

    if let Some(evaluation) = &record.evaluation {
        let examples = evaluation.examples;
        // Those of single classes, such as `test_recall[cat]`, have their place in the classification report.
        let mut figures: Vec<(&String, &f64)> =
            evaluation.metrics.iter().filter(|(name, _)| !name.contains('[')).collect();
        figures.sort_by_key(|(name, _)| figure::rank(name));
        for (name, &value) in figures {
            let note = match evaluation.interval(name) {
                Some(bounds) => format!("95% interval {}", figure::interval_of(name, bounds)),
                None => format!("on {}", figure::counted(examples, "test example", "test examples")),
            };
            tiles.push(json!({
                "name": figure::capitalised(&figure::in_words(name)),
                "value": figure::of(name, value),
                "note": note,
                "large": figure::rank(name) < figure::FIRST.len(),
            }));
        }
    }

    // The epoch whose weights the run ended with.
    let kept = training.best_epoch.or_else(|| record.history.last().map(|epoch| epoch.epoch));
    if let Some(epoch) = record.history.iter().find(|epoch| Some(epoch.epoch) == kept) {
        for name in ["val_accuracy", "val_mean_absolute_error", "val_loss"] {
            if let Some(value) = epoch.figure(name).filter(|value| value.is_finite()) {
                tiles.push(json!({
                    "name": figure::capitalised(&figure::in_words(name)),
                    "value": figure::of(name, value),
                    "note": format!("after epoch {}", figure::count(epoch.epoch)),
                    "large": false,
                }));
            }
        }
    }

    if training.epochs > 0 {
        let note = match (training.best_epoch, training.stopped_early) {
            (Some(best), _) if info.status == Status::Running => format!("best so far: epoch {best}"),
            (Some(best), true) => format!("stopped early, weights of epoch {best} kept"),
            (Some(best), false) => format!("weights of epoch {best} kept"),
            (None, true) => "stopped early, last weights kept".to_owned(),
            (None, false) if info.status == Status::Running => "so far".to_owned(),
            (None, false) if training.epochs_done == 0 => "no epoch came to its end".to_owned(),
            (None, false) => "last weights kept".to_owned(),
        };
        tiles.push(json!({
            "name": "Epochs",
            "value": format!("{} of {}", figure::count(training.epochs_done), figure::count(training.epochs)),
            "note": training.stop_reason.as_ref().map_or(note.clone(), |reason| format!("{note}; {reason}")),
            "large": false,
        }));
    }
    if info.timings.total > 0.0 {
        tiles.push(json!({
            "name": "Time",
            "value": figure::duration(info.timings.total),
            "note": match figure::processes(&info.provenance) {
                Some(processes) => format!("from start to end, by {processes}"),
                None => "from start to end".to_owned(),
            },
            "large": false,
        }));
    }
    tiles
}

/// How the run stands against the one before it: that one's name, and what is to be said; of classes, or of predicted `numbers`.
fn previous(now: &EvaluationRecord, before: &Previous, numbers: bool) -> Value {
    let said = if before.same_data {
        let figures = [accuracy(now, before), error(now, before), changes(before, numbers)];
        figures.into_iter().flatten().collect::<Vec<_>>().join("; ")
    } else {
        "it was tested on other examples, so the two cannot be compared".to_owned()
    };
    let configuration = if before.same_configuration { "the same configuration" } else { "another configuration" };
    json!({ "id": before.id, "configuration": configuration, "said": said })
}

/// By how much the accuracy is higher or lower.
fn accuracy(now: &EvaluationRecord, before: &Previous) -> Option<String> {
    let difference = now.metrics.get("test_accuracy")? - before.metrics.get("test_accuracy")?;
    let points = figure::points(difference.abs());
    Some(match difference {
        d if !d.is_finite() => return None,
        d if d > 0.0 => format!("accuracy {points} higher"),
        d if d < 0.0 => format!("accuracy {points} lower"),
        _ => "accuracy the same".to_owned(),
    })
}

/// By how much predicted numbers are nearer or farther off, where both runs tell it.
fn error(now: &EvaluationRecord, before: &Previous) -> Option<String> {
    let name = "test_mean_absolute_error";
    let difference = now.metrics.get(name)? - before.metrics.get(name)?;
    let size = figure::number(difference.abs());
    Some(match difference {
        d if !d.is_finite() => return None,
        d if d > 0.0 => format!("mean absolute error {size} higher"),
        d if d < 0.0 => format!("mean absolute error {size} lower"),
        _ => "mean absolute error the same".to_owned(),
    })
}

/// How many examples changed sides, and whether that is more than chance.
fn changes(before: &Previous, numbers: bool) -> Option<String> {
    let p = before.p_value?;
    let (same, better, worse) = match numbers {
        false => ("right on the same examples", "fixed", "broken"),
        true => ("equally far off on every example", "nearer", "farther off"),
    };
    if before.fixed + before.broken == 0 {
        return Some(same.to_owned());
    }
    let counts = format!(
        "{} {better}, {} {worse}",
        figure::counted(before.fixed, "example", "examples"),
        figure::count(before.broken)
    );
    let p_value = figure::p_value(p);
    Some(match p < LEVEL {
        true => format!("{counts}; a difference this large by chance: {p_value}"),
        false => format!("{counts}; no difference that chance doesn't explain ({p_value})"),
    })
}

fn validation(data: &DataInfo) -> String {
    let examples = figure::counted(data.validation, "example", "examples");
    match data.validation_kind.as_str() {
        "none" => "Trained without validation.".to_owned(),
        "test" => format!("Validated on the test split itself ({examples})."),
        "official" => format!("Validated on the source's own validation data ({examples})."),
        kind => format!("Validated on a {kind} ({examples})."),
    }
}

/// Why a test score is too good where validation saw the test split: a bold beginning and how it goes on.
fn optimism(record: &Record) -> (&'static str, &'static str) {
    let training = &record.info.training;
    let score = match record.evaluation {
        Some(_) => "The test score is therefore optimistic:",
        None => "A test score would therefore be optimistic:",
    };
    let reason = if training.stopped_early || training.best_epoch.is_some() {
        "where training stopped, or which weights were kept, was decided on the examples that it is measured on."
    } else {
        "whatever is chosen by these figures is chosen on the examples that it is measured on."
    };
    (score, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::sample::sample, run::Baseline};

    #[test]
    fn the_verdict_says_how_it_ended() {
        let mut record = sample();
        assert_eq!(verdict(&record), ("passed", "Passed: 1 of 1 expectations held".into()));
        let missed = ExpectationResult {
            figure: "test_loss".into(),
            max: Some(0.1),
            value: Some(0.87),
            ..ExpectationResult::default()
        };
        record.info.expectations.push(missed.clone());
        assert_eq!(verdict(&record), ("failed", "Failed: 1 of 2 expectations held".into()));
        let open = ExpectationResult { outcome: Some(Judgement::Inconclusive), ..missed };
        record.info.expectations[1] = open.clone();
        assert_eq!(verdict(&record), ("failed", "Failed: 1 of 2 expectations held, 1 inconclusive".into()));
        record.info.expectations[1] = ExpectationResult { met: true, ..open };
        assert_eq!(verdict(&record), ("passed", "Passed: 1 of 2 expectations held, 1 inconclusive".into()));
        record.info.expectations.clear();
        assert_eq!(verdict(&record).0, "completed");
        record.info.status = Status::Interrupted;
        assert_eq!(verdict(&record), ("interrupted", "Interrupted after epoch 12".into()));
        record.info.status = Status::Failed;
        record.info.reason = Some("no memory".into());
        assert_eq!(verdict(&record), ("failed", "Failed: no memory".into()));
        record.info.status = Status::Running;
        record.evaluation = None;
        assert_eq!(verdict(&record), ("running", "Running: evaluating".into()));
        record.info.training.stopped_early = false;
        assert_eq!(verdict(&record), ("running", "Running: epoch 13 of at most 50".into()));
    }

    #[test]
    fn several_processes_are_named_beside_the_time_that_they_took() {
        let mut record = sample();
        let note = |record: &Record| {
            let tiles = metrics(record);
            tiles.iter().find(|tile| tile["name"] == "Time").unwrap()["note"].as_str().unwrap().to_owned()
        };
        assert_eq!(note(&record), "from start to end");
        (record.info.provenance.processes, record.info.provenance.threads) = (2, 1);
        assert_eq!(note(&record), "from start to end, by 2 processes of 1 thread");
    }

    #[test]
    fn a_figure_that_was_not_produced_is_said_to_be_missing() {
        let mut missing =
            ExpectationResult { figure: "test_accuracy".into(), min: Some(0.7), ..ExpectationResult::default() };
        let shown = expectation(&missing);
        assert_eq!((&shown["asked"], &shown["value"]), (&json!("at least 70%"), &json!("not produced")));
        assert_eq!((&shown["outcome"], &shown["doubt"]), (&json!("inconclusive"), &Value::Null));
        missing.outcome = Some(Judgement::Failed);
        assert_eq!(expectation(&missing)["value"], "not a number");
    }

    #[test]
    fn what_a_figure_is_measured_against_is_said_in_its_own_units() {
        let mut dropped = ExpectationResult {
            figure: "test_accuracy".into(),
            max_drop: Some(0.02),
            baseline: Some(Baseline { name: "digits.lock".into(), value: 0.72134 }),
            value: Some(0.7),
            interval: Some((0.68, 0.72)),
            outcome: Some(Judgement::Inconclusive),
            tolerance: 0.01,
            ..ExpectationResult::default()
        };
        let shown = expectation(&dropped);
        assert_eq!(shown["asked"], "at most 2 points below 72.13% (digits.lock), give or take 1 point");
        assert_eq!((&shown["value"], &shown["interval"]), (&json!("70.00%"), &json!("68.0 to 72.0%")));
        assert_eq!(shown["doubt"], "the interval lies on both sides of a bound");
        dropped.figure = "test_loss".into();
        assert_eq!(expectation(&dropped)["asked"], "at most 0.02 above 0.7213 (digits.lock), give or take 0.01");
    }

    #[test]
    fn the_record_says_how_sure_accuracy_and_loss_are() {
        let mut record = sample();
        let note = |record: &Record, tile: usize| metrics(record)[tile]["note"].as_str().unwrap().to_owned();
        record.evaluation.as_mut().unwrap().intervals =
            [("test_accuracy".to_owned(), (0.7, 0.75)), ("test_loss".to_owned(), (0.85, 0.9))].into();
        assert_eq!(note(&record, 0), "95% interval 70.0 to 75.0%");
        assert_eq!(note(&record, 1), "95% interval 0.8500 to 0.9000");
        // An older record has none.
        record.evaluation.as_mut().unwrap().intervals.clear();
        assert!(note(&record, 0).starts_with("95% interval 7"));
        assert!(note(&record, 1).starts_with("on "));
    }

    #[test]
    fn the_run_before_is_judged_by_what_chance_explains() {
        let record = sample();
        let evaluation = record.evaluation.as_ref().unwrap();
        let before = record.info.previous.clone().unwrap();
        let said = |before: &Previous| previous(evaluation, before, false)["said"].as_str().unwrap().to_owned();
        assert_eq!(
            said(&before),
            "accuracy 1.20 points higher; 430 examples fixed, 310 broken; a difference this large by chance: p < 0.001"
        );
        let (mut even, mut same, mut other, mut unknown) = (before.clone(), before.clone(), before.clone(), before);
        (even.fixed, even.broken, even.p_value) = (1, 2, Some(1.0));
        even.metrics.insert("test_accuracy".to_owned(), 0.738);
        assert_eq!(
            said(&even),
            "accuracy 1.00 point lower; 1 example fixed, 2 broken; no difference that chance doesn't explain (p = 1.00)"
        );
        (same.fixed, same.broken, same.p_value) = (0, 0, Some(1.0));
        same.metrics = evaluation.metrics.clone();
        assert_eq!(said(&same), "accuracy the same; right on the same examples");
        other.same_data = false;
        assert_eq!(said(&other), "it was tested on other examples, so the two cannot be compared");
        unknown.p_value = None;
        assert_eq!(said(&unknown), "accuracy 1.20 points higher");
    }

    #[test]
    fn validation_on_the_test_split_is_owned_up_to() {
        let mut record = sample();
        assert_eq!(data(&record).unwrap()["optimistic"][0], "The test score is therefore optimistic:");
        record.info.data.as_mut().unwrap().validation_kind = "split of the training data".into();
        let data = data(&record).unwrap();
        assert_eq!(data["optimistic"], Value::Null);
        assert_eq!(data["validation"], "Validated on a split of the training data (10,000 examples).");
    }
}
