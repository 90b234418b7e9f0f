//! Figures against what is expected of them.

use crate::{
    run::{Baseline, EpochRecord, EvaluationRecord, ExpectationResult, Judgement, store::smaller_is_better},
    spec::{Expectation, Inconclusive, Pipeline},
};
use std::collections::BTreeMap;

/// Judges what the pipeline expects. `kept` is the epoch whose weights were kept, which has the figures that the evaluation
/// hasn't; `baselines` are the figures that others are measured against, by name.
pub fn judge(
    pipeline: &Pipeline,
    evaluation: &EvaluationRecord,
    kept: Option<&EpochRecord>,
    baselines: &BTreeMap<String, Baseline>,
) -> Vec<ExpectationResult> {
    let judged = |(figure, expectation): (&String, &Expectation)| {
        let evaluated = evaluation.metrics.get(figure).or_else(|| evaluation.figures.get(figure));
        let found = Found {
            value: evaluated.copied().or_else(|| kept?.figure(figure)),
            interval: evaluation.interval(figure),
            baseline: baselines.get(figure).filter(|_| expectation.max_drop.is_some()).cloned(),
        };
        one(figure, expectation, found)
    };
    pipeline.expect.iter().map(judged).collect()
}

/// What is known of a figure.
struct Found {
    value: Option<f64>,
    interval: Option<(f64, f64)>,
    baseline: Option<Baseline>,
}

fn one(figure: &str, expectation: &Expectation, Found { value, interval, baseline }: Found) -> ExpectationResult {
    let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite());
    let baseline = baseline.filter(|baseline| baseline.value.is_finite());
    let bounds = Bounds::new(figure, expectation, baseline.as_ref());
    let complete = expectation.max_drop.is_none() || baseline.is_some();
    let asked_interval = interval.filter(|_| expectation.inconclusive != Inconclusive::Value);
    let outcome = match value {
        None => Judgement::Inconclusive,
        Some(value) if !value.is_finite() => Judgement::Failed,
        Some(value) => {
            let (low, high) = asked_interval.unwrap_or((value, value));
            // An interval of resamples needn't hold the value: both have to be on one side.
            let (low, high) = (low.min(value), high.max(value));
            if high < bounds.low || low > bounds.high {
                Judgement::Failed
            } else if low >= bounds.low && high <= bounds.high && complete {
                Judgement::Passed
            } else {
                Judgement::Inconclusive
            }
        }
    };
    let forgiven = outcome == Judgement::Inconclusive && expectation.inconclusive == Inconclusive::Pass;
    ExpectationResult {
        figure: figure.to_owned(),
        min: expectation.min,
        max: expectation.max,
        value,
        met: outcome == Judgement::Passed || forgiven,
        outcome: Some(outcome),
        interval,
        max_drop: expectation.max_drop,
        baseline,
        tolerance: expectation.tolerance,
    }
}

/// The least and the largest value that hold everything that is expected.
struct Bounds {
    low: f64,
    high: f64,
}

impl Bounds {
    fn new(figure: &str, expectation: &Expectation, against: Option<&Baseline>) -> Self {
        let tolerance = expectation.tolerance;
        let least = expectation.min.map(|min| min - slack(min, tolerance));
        let most = expectation.max.map(|max| max + slack(max, tolerance));
        let (mut low, mut high) = (least.unwrap_or(f64::NEG_INFINITY), most.unwrap_or(f64::INFINITY));
        if let Some((drop, baseline)) = expectation.max_drop.zip(against) {
            let away = slack(baseline.value, drop + tolerance);
            match smaller_is_better(figure) {
                true => high = high.min(baseline.value + away),
                false => low = low.max(baseline.value - away),
            }
        }
        Bounds { low, high }
    }
}

/// A distance from `bound`, with what rounding may take from it: 0.8 less 0.1 isn't above 0.7.
fn slack(bound: f64, distance: f64) -> f64 {
    match distance {
        0.0 => 0.0,
        distance => distance + 4.0 * f64::EPSILON * bound.abs().max(distance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Inconclusive::{Fail, Pass, Value};
    use Judgement::{Failed, Inconclusive as Open, Passed};

    /// An expectation of an accuracy from 0.7 to 0.9.
    fn within() -> Expectation {
        Expectation { min: Some(0.7), max: Some(0.9), ..Expectation::default() }
    }

    fn drop(max_drop: f64) -> Expectation {
        Expectation { max_drop: Some(max_drop), ..Expectation::default() }
    }

    fn found(value: impl Into<Option<f64>>) -> Found {
        Found { value: value.into(), interval: None, baseline: None }
    }

    fn against(value: impl Into<Option<f64>>, baseline: f64) -> Found {
        Found { baseline: Some(Baseline { name: "digits.lock".to_owned(), value: baseline }), ..found(value) }
    }

    fn judged(figure: &str, expectation: Expectation, found: Found) -> (Judgement, bool) {
        let result = one(figure, &expectation, found);
        assert!(result.outcome != Some(Passed) || result.met, "what passed is met");
        assert!(result.outcome != Some(Failed) || !result.met, "what failed is not met");
        (result.judgement(), result.met)
    }

    fn accuracy(expectation: Expectation, found: Found) -> (Judgement, bool) {
        judged("test_accuracy", expectation, found)
    }

    #[test]
    fn bounds_belong_to_what_is_allowed() {
        for (value, want) in
            [(0.7, Passed), (0.8, Passed), (0.9, Passed), (0.699_999_9, Failed), (0.900_000_1, Failed), (-0.0, Failed)]
        {
            for inconclusive in [Value, Pass, Fail] {
                let expectation = Expectation { inconclusive, ..within() };
                assert_eq!(accuracy(expectation, found(value)), (want, want == Passed), "{value} {inconclusive:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_inconclusive_and_what_is_no_number_fails() {
        for (inconclusive, met) in [(Value, false), (Pass, true), (Fail, false)] {
            let expectation = || Expectation { inconclusive, ..within() };
            assert_eq!(accuracy(expectation(), found(None)), (Open, met));
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(accuracy(expectation(), found(value)), (Failed, false), "{value}");
                let one_sided = Expectation { min: None, ..expectation() };
                assert_eq!(accuracy(one_sided, found(value)), (Failed, false), "{value}");
            }
            // A baseline that is none, and one that isn't there.
            let missing = Expectation { inconclusive, ..drop(0.1) };
            assert_eq!(accuracy(missing.clone(), found(0.8)), (Open, met));
            assert_eq!(accuracy(missing, against(0.8, f64::NAN)), (Open, met));
            // What fails without it fails.
            let both = Expectation { max_drop: Some(0.1), ..expectation() };
            assert_eq!(accuracy(both, found(0.6)), (Failed, false));
        }
    }

    #[test]
    fn an_interval_on_both_sides_of_a_bound_is_inconclusive_where_it_is_asked() {
        for (value, interval, asked) in [
            (0.80, (0.78, 0.82), Passed),
            (0.80, (0.70, 0.90), Passed),
            (0.71, (0.69, 0.73), Open),
            (0.69, (0.67, 0.71), Open),
            (0.89, (0.87, 0.91), Open),
            (0.80, (0.60, 0.95), Open),
            (0.65, (0.63, 0.67), Failed),
            (0.95, (0.93, 0.97), Failed),
            // The value lies outside of its own interval.
            (0.69, (0.71, 0.75), Open),
            (0.71, (0.65, 0.69), Open),
        ] {
            let found = || Found { interval: Some(interval), ..found(value) };
            let by_value = if (0.7..=0.9).contains(&value) { Passed } else { Failed };
            assert_eq!(accuracy(within(), found()).0, by_value, "{value}");
            for (inconclusive, open_is_met) in [(Pass, true), (Fail, false)] {
                let met = asked == Passed || asked == Open && open_is_met;
                let expectation = Expectation { inconclusive, ..within() };
                assert_eq!(accuracy(expectation, found()), (asked, met), "{value} {interval:?}");
            }
        }
        let odd = Found { interval: Some((f64::NAN, 0.9)), ..found(0.8) };
        assert_eq!(accuracy(Expectation { inconclusive: Fail, ..within() }, odd), (Passed, true));
    }

    #[test]
    fn a_tolerance_moves_every_bound() {
        let tolerant = || Expectation { tolerance: 0.01, ..within() };
        for (value, want) in [(0.69, Passed), (0.91, Passed), (0.689, Failed), (0.911, Failed)] {
            assert_eq!(accuracy(tolerant(), found(value)).0, want, "{value}");
        }
        let dropped = Expectation { tolerance: 0.01, ..drop(0.02) };
        assert_eq!(accuracy(dropped.clone(), against(0.77, 0.8)).0, Passed);
        assert_eq!(accuracy(dropped, against(0.769, 0.8)).0, Failed);
    }

    #[test]
    fn what_is_worse_hangs_on_the_figure() {
        for (figure, baseline, better, same, bit_worse, worse) in [
            ("test_accuracy", 0.8, 0.95, 0.8, 0.7, 0.699),
            ("test_recall[loss]", 0.8, 0.95, 0.8, 0.7, 0.699),
            ("test_loss", 0.8, 0.1, 0.8, 0.9, 0.901),
            ("test_expected_calibration_error", 0.2, 0.0, 0.2, 0.3, 0.301),
        ] {
            for (value, want) in [(better, Passed), (same, Passed), (bit_worse, Passed), (worse, Failed)] {
                assert_eq!(judged(figure, drop(0.1), against(value, baseline)).0, want, "{figure} {value}");
            }
            assert_eq!(judged(figure, drop(0.0), against(same, baseline)).0, Passed);
            assert_eq!(judged(figure, drop(0.0), against(bit_worse, baseline)).0, Failed);
        }
    }

    #[test]
    fn all_that_is_expected_must_hold() {
        let both = Expectation { min: Some(0.75), ..drop(0.1) };
        assert_eq!(accuracy(both.clone(), against(0.74, 0.8)).0, Failed);
        assert_eq!(accuracy(both.clone(), against(0.76, 0.9)).0, Failed);
        assert_eq!(accuracy(both, against(0.76, 0.8)).0, Passed);
    }

    #[test]
    fn figures_come_from_the_evaluation_or_else_from_the_epoch_that_was_kept() {
        let record = crate::report::sample::sample();
        let yaml = crate::diagnostic::EXAMPLE_BASE;
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("example.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut pipeline = crate::spec::load(&file, &[]).pipeline.unwrap().pipeline;
        let names = ["test_accuracy", "test_recall[cat]", "test_macro_f1", "val_loss", "test_f1"];
        pipeline.expect = names.iter().map(|name| ((*name).to_owned(), drop(0.1))).collect();
        let baseline = |name: &&str| ((*name).to_owned(), Baseline { name: "a".to_owned(), value: 0.5 });
        let baselines = names.iter().map(baseline).collect();
        let kept = record.history.iter().find(|epoch| epoch.epoch == 9);
        let results = judge(&pipeline, record.evaluation.as_ref().unwrap(), kept, &baselines);
        let of = |name: &str| results.iter().find(|result| result.figure == name).unwrap();
        assert!(of("test_accuracy").interval.is_some() && of("test_accuracy").met);
        assert_eq!((of("test_recall[cat]").value, of("test_recall[cat]").interval), (Some(0.7), None));
        assert!(of("test_macro_f1").interval.is_some(), "the step that gives it knows it");
        assert_eq!(of("val_loss").value, kept.unwrap().figure("val_loss"));
        assert_eq!((of("test_f1").value, of("test_f1").judgement()), (None, Open));
        assert_eq!(of("val_loss").baseline.as_ref().unwrap().value, 0.5);
    }
}
