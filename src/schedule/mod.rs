//! How the learning rate goes over a training: Keras' schedules and some of ours, one file each.
//!
//! A schedule is a pure function of the step and of the training's length, so that a resumed training needs no memory of it.

mod learning_rate;
mod span;

pub use learning_rate::LearningRate;
pub use span::Span;

use crate::family;

/// How long a training takes, early ends not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Optimizer steps of an epoch.
    pub steps_per_epoch: u64,
    /// Optimizer steps of the whole training.
    pub steps: u64,
}

/// What is wrong with arguments that are sound each by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The way to the argument, from the schedule's name on.
    pub path: Vec<&'static str>,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What all schedules share.
pub trait ScheduleDefinition {
    /// The rate of a step, counted from 0.
    fn rate(&self, step: u64, training: &Length) -> f64;

    /// The largest rate that it comes to.
    fn largest(&self) -> f64;

    /// Whether a training of more steps has other rates from the beginning on.
    fn hangs_on_length(&self) -> bool;

    /// What is wrong with its arguments together.
    fn fault(&self) -> Option<Fault> {
        None
    }
}

family! {
    /// How the learning rate goes over the training.
    pub enum Schedule("schedule"): ScheduleDefinition {
        cosine_decay::CosineDecay,
        cosine_decay_restarts::CosineDecayRestarts,
        exponential_decay::ExponentialDecay,
        polynomial_decay::PolynomialDecay,
        piecewise_constant_decay::PiecewiseConstantDecay,
        one_cycle::OneCycle,
        linear_warmup::LinearWarmup,
    }
}

/// From `from` to `to`, as far as `share` of the way says.
fn between(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(schedule: serde_json::Value) -> LearningRate {
        serde_json::from_value(schedule).unwrap()
    }

    fn rates(rate: &LearningRate, steps: impl IntoIterator<Item = u64>, length: Length) -> Vec<f64> {
        steps.into_iter().map(|step| (rate.at(step, &length) * 1e9).round() / 1e9).collect()
    }

    const LENGTH: Length = Length { steps_per_epoch: 10, steps: 100 };

    #[test]
    fn every_documented_example_gives_sound_rates() {
        let mut count = 0;
        for (name, example) in crate::family::examples::<Schedule>() {
            let schedule: Schedule = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(schedule.fault(), None, "{example}");
            let rates: Vec<f64> = (0..=120).map(|step| schedule.rate(step, &LENGTH)).collect();
            assert!(rates.iter().all(|rate| (0.0..=schedule.largest() * (1.0 + 1e-12)).contains(rate)), "{example}");
            let longer = Length { steps: 200, ..LENGTH };
            let same = (0..100).all(|step| schedule.rate(step, &LENGTH) == schedule.rate(step, &longer));
            assert_eq!(same, !schedule.hangs_on_length(), "{example}");
            assert_eq!(serde_json::to_value(&schedule).unwrap().as_object().unwrap().keys().next(), Some(&name));
            count += 1;
        }
        assert!(count >= Schedule::NAMES.len());
    }

    #[test]
    fn a_decay_takes_the_whole_training_unless_told_otherwise() {
        let whole = read(json!({"polynomial_decay": {"initial_learning_rate": 1, "end_learning_rate": 0}}));
        assert_eq!(rates(&whole, [0, 50, 100, 120], LENGTH), [1.0, 0.5, 0.0, 0.0]);
        let steps = json!({"initial_learning_rate": 1, "end_learning_rate": 0, "decay_steps": 20});
        assert_eq!(rates(&read(json!({"polynomial_decay": steps})), [0, 10, 20], LENGTH), [1.0, 0.5, 0.0]);
        let epochs = json!({"initial_learning_rate": 1, "end_learning_rate": 0, "decay_steps": {"epochs": 2}});
        assert_eq!(rates(&read(json!({"polynomial_decay": epochs})), [0, 10, 20], LENGTH), [1.0, 0.5, 0.0]);
        // What is behind the warm-up is left for the decay.
        let warm = json!({"initial_learning_rate": 0, "warmup_target": 1, "warmup_steps": 20});
        assert_eq!(
            rates(&read(json!({"cosine_decay": warm})), [0, 10, 20, 60, 100], LENGTH),
            [0.0, 0.5, 1.0, 0.5, 0.0]
        );
    }

    #[test]
    fn one_cycle_rises_and_falls() {
        let cycle = json!({"one_cycle": {"peak_learning_rate": 2, "start_factor": 0.2, "warmup_share": 0.1}});
        assert_eq!(rates(&read(cycle), [0, 5, 10, 55, 100], LENGTH), [0.4, 1.2, 2.0, 1.0, 0.0]);
        let smooth =
            json!({"peak_learning_rate": 1, "warmup_share": 0.2, "interpolation": "cosine", "end_factor": 0.1});
        assert_eq!(
            rates(&read(json!({"one_cycle": smooth})), [0, 10, 20, 60, 100], LENGTH),
            [0.04, 0.52, 1.0, 0.55, 0.1]
        );
        let at_once = json!({"one_cycle": {"peak_learning_rate": 1, "warmup_share": 0}});
        assert_eq!(rates(&read(at_once), [0, 50], LENGTH), [1.0, 0.5]);
    }

    #[test]
    fn a_warm_up_leads_to_what_follows() {
        let constant = json!({"linear_warmup": {"warmup_steps": {"epochs": 1}, "then": 0.5}});
        assert_eq!(rates(&read(constant), [0, 5, 10, 99], LENGTH), [0.0, 0.25, 0.5, 0.5]);
        let decay = json!({"polynomial_decay": {"initial_learning_rate": 1, "end_learning_rate": 0}});
        let then = json!({"linear_warmup": {"initial_learning_rate": 0.2, "warmup_steps": 20, "then": decay}});
        assert_eq!(rates(&read(then), [0, 10, 20, 60, 100], LENGTH), [0.2, 0.6, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_constant_rate_stays() {
        let rate = read(json!(0.25));
        assert_eq!(rates(&rate, [0, 99], LENGTH), [0.25, 0.25]);
        assert!(!rate.hangs_on_length());
        assert_eq!(serde_json::to_value(&rate).unwrap(), json!(0.25));
    }

    #[test]
    fn boundaries_and_values_must_go_together() {
        let fault = |arguments| match read(json!({ "piecewise_constant_decay": arguments })) {
            LearningRate::Scheduled(schedule) => schedule.fault().map(|fault| fault.path),
            LearningRate::Constant(_) => unreachable!(),
        };
        assert_eq!(fault(json!({"boundaries": [10, 20], "values": [1, 0.1, 0.01]})), None);
        assert_eq!(fault(json!({"boundaries": [10], "values": [1]})), Some(vec!["values"]));
        assert_eq!(fault(json!({"boundaries": [20, 20], "values": [1, 2, 3]})), Some(vec!["boundaries"]));
        let within = json!({"piecewise_constant_decay": {"boundaries": [10], "values": [1]}});
        let LearningRate::Scheduled(warm) = read(json!({"linear_warmup": {"warmup_steps": 5, "then": within}})) else {
            unreachable!()
        };
        assert_eq!(warm.fault().unwrap().path, ["then", "piecewise_constant_decay", "values"]);
    }
}
