//! What may be different where a run is resumed.
//!
//! What only says how results are shown or judged is free. What changes training from there on has to be asked for. What
//! would make of the checkpoint something else, such as other layers or data, is refused.

use super::{
    Pipeline,
    difference::{Difference, differences},
    schema,
    tree::{Step, display_path},
};

/// Whether a key may be different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// It may.
    Free,
    /// Where it is asked for.
    OnRequest,
    /// It may not.
    Refused,
}

/// A key that is different.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The key that is to be allowed, such as `training.epochs`.
    pub key: String,
    /// Whether it may be different.
    pub freedom: Freedom,
    /// What is different: `training.epochs: 5 -> 10`.
    pub text: String,
}

/// The keys that are free, or that have to be asked for; all others are refused.
const KEYS: [(&str, Freedom); 17] = [
    ("name", Freedom::Free),
    ("description", Freedom::Free),
    ("allow", Freedom::Free),
    ("evaluation", Freedom::Free),
    ("expect", Freedom::Free),
    ("report", Freedom::Free),
    ("training.checkpoint", Freedom::Free),
    ("training.epochs", Freedom::OnRequest),
    ("training.optimizer", Freedom::OnRequest),
    ("training.parameter_groups", Freedom::OnRequest),
    ("training.callbacks", Freedom::OnRequest),
    ("training.class_weight", Freedom::OnRequest),
    ("threads", Freedom::OnRequest),
    ("device", Freedom::OnRequest),
    ("strategy", Freedom::OnRequest),
    ("precision", Freedom::OnRequest),
    ("deterministic", Freedom::OnRequest),
];

/// Whether a change, as [`Change::text`] tells it, makes of a resumed run what no single run gives. More epochs alone don't:
/// where a rate hangs on their number, they are refused.
pub fn breaks_off(text: &str) -> bool {
    let path = text.trim_start_matches(['+', '-', ' ']);
    let asked = KEYS.iter().filter(|(_, freedom)| *freedom == Freedom::OnRequest).map(|(key, _)| *key);
    asked.filter(|key| *key != "training.epochs").any(|key| path.starts_with(key))
}

/// The keys that can be allowed to be different.
pub fn allowable() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|(_, freedom)| *freedom == Freedom::OnRequest).map(|(key, _)| *key)
}

/// Whether a key can be allowed to be different.
pub fn can_be_allowed(key: &str) -> bool {
    KEYS.contains(&(key, Freedom::OnRequest))
}

/// All that is different between the pipeline of a run and the one that it is to be resumed with.
pub fn changes(before: &Pipeline, now: &Pipeline) -> Vec<Change> {
    let value = |pipeline: &Pipeline| serde_json::to_value(pipeline).expect("a pipeline is plain data");
    let optimizer = &now.training.optimizer;
    // More epochs would have had other rates from the beginning on. Another schedule has to be asked for anyway.
    let stretched = optimizer.learning_rate().hangs_on_length() && *optimizer == before.training.optimizer;
    let found = differences(&value(before), &value(now), schema::full());
    found.iter().map(|difference| judge(difference, stretched)).collect()
}

/// Where epochs would stretch a schedule, they are refused.
fn judge(difference: &Difference, stretched: bool) -> Change {
    let path = difference.path();
    let known = KEYS.iter().find(|(key, _)| begins_with(path, key));
    // The state of one optimizer is nothing to another one: a change of its name takes the whole item.
    let other_optimizer = display_path(path) == "training.optimizer";
    let mut text = difference.to_string();
    let (key, freedom) = match known {
        Some(("training.epochs", _)) if stretched => {
            text += ", and the learning rate hangs on how long the training is";
            ("training.epochs".to_owned(), Freedom::Refused)
        }
        _ if only_reads_ahead(difference) => (display_path(path), Freedom::Free),
        Some(_) if other_optimizer => (display_path(path), Freedom::Refused),
        Some((key, freedom)) => ((*key).to_owned(), *freedom),
        None => (display_path(path), Freedom::Refused),
    };
    Change { key, freedom, text }
}

fn begins_with(path: &[Step], key: &str) -> bool {
    let mut steps = path.iter();
    key.split('.').all(|part| matches!(steps.next(), Some(Step::Key(step)) if step == part))
}

/// How far is read ahead changes no number.
fn only_reads_ahead(difference: &Difference) -> bool {
    let in_dataset = matches!(difference.path().first(), Some(Step::Key(key)) if key == "dataset");
    let is_prefetch = |side: &super::difference::Side| {
        side.value.get("prefetch").is_some()
            || side.path.iter().any(|step| matches!(step, Step::Key(key) if key == "prefetch"))
    };
    in_dataset && [difference.before(), difference.after()].into_iter().flatten().all(is_prefetch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load;
    use std::path::Path;

    fn pipeline(sets: &[&str]) -> Pipeline {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/digits.yaml");
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let loaded = load(&file, &sets);
        loaded.pipeline.unwrap_or_else(|| panic!("{:?}", loaded.problems)).pipeline
    }

    #[test]
    fn epochs_are_refused_where_the_rates_hang_on_their_number() {
        let of = |schedule: &str, more: &[&str]| {
            let schedule = format!("training.optimizer.adam.learning_rate={schedule}");
            let now = [&[schedule.as_str(), "training.epochs=99"], more].concat();
            changes(&pipeline(&[&schedule]), &pipeline(&now))
        };
        let whole = of("{cosine_decay: {initial_learning_rate: 0.01}}", &[]);
        assert_eq!((whole.len(), whole[0].freedom), (1, Freedom::Refused), "{whole:?}");
        assert!(whole[0].text.ends_with("99, and the learning rate hangs on how long the training is"), "{whole:?}");
        let steps = of("{cosine_decay: {initial_learning_rate: 0.01, decay_steps: 50}}", &[]);
        assert_eq!(steps[0].freedom, Freedom::OnRequest);
        let other = of("{one_cycle: {peak_learning_rate: 0.01}}", &["training.optimizer.adam.learning_rate=0.1"]);
        assert!(other.iter().all(|change| change.freedom == Freedom::OnRequest), "{other:?}");
    }

    fn judged(set: &str) -> (String, Freedom) {
        let found = changes(&pipeline(&[]), &pipeline(&[set]));
        assert_eq!(found.len(), 1, "{set}: {found:?}");
        (found[0].key.clone(), found[0].freedom)
    }

    #[test]
    fn what_may_be_different_hangs_on_what_it_decides() {
        assert!(changes(&pipeline(&[]), &pipeline(&[])).is_empty());
        let of = |set| judged(set);
        assert_eq!(of("description=other"), ("description".to_owned(), Freedom::Free));
        assert_eq!(of("report.title=other"), ("report".to_owned(), Freedom::Free));
        assert_eq!(of("training.checkpoint.epochs=3"), ("training.checkpoint".to_owned(), Freedom::Free));
        assert_eq!(of("training.epochs=99"), ("training.epochs".to_owned(), Freedom::OnRequest));
        let rate = "training.optimizer.adam.learning_rate=0.5";
        assert_eq!(of(rate), ("training.optimizer".to_owned(), Freedom::OnRequest));
        assert_eq!(of("threads=7"), ("threads".to_owned(), Freedom::OnRequest));
        assert_eq!(of("seed=99").1, Freedom::Refused);
        assert_eq!(of("model.layers[0].rescaling.scale=0.5").1, Freedom::Refused);
        assert_eq!(of("dataset.validation=none").1, Freedom::Refused);
        assert_eq!(of("training.metrics=[]").1, Freedom::Refused);
    }
}
