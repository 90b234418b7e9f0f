//! The canonical form of a pipeline: what decides about the numbers of a training, and nothing else.

use crate::spec::{
    Pipeline,
    difference::{Difference, differences},
    schema,
};
use serde_json::Value as Json;

/// Keys that change no number of the training, or stand in the lock on their own.
const LEFT_OUT: [&str; 10] = [
    "/name",
    "/description",
    "/report",
    "/device",
    "/strategy",
    "/allow",
    "/expect",
    "/evaluation",
    "/seed",
    "/training/checkpoint",
];

fn value(pipeline: &Pipeline) -> Json {
    serde_json::to_value(pipeline).expect("a pipeline is plain data")
}

/// The pipeline without what changes no number, and without what equals its default: so a release that brings new keys, or
/// another machine, leaves it as it is.
pub fn canonical(pipeline: &Pipeline) -> Json {
    let mut form = value(pipeline);
    for pointer in LEFT_OUT {
        remove(&mut form, pointer);
    }
    let Ok(whole) = serde_json::from_value::<Pipeline>(form.clone()) else { return form };
    let mut pointers = Vec::new();
    collect(&form, &mut String::new(), &mut pointers);
    for pointer in pointers {
        // What its surroundings took with it is gone already.
        if form.pointer(&pointer).is_none() {
            continue;
        }
        let mut without = form.clone();
        remove(&mut without, &pointer);
        if serde_json::from_value::<Pipeline>(without.clone()).is_ok_and(|pipeline| pipeline == whole) {
            form = without;
        }
    }
    form
}

/// All keys of all maps, those around before those within.
fn collect(value: &Json, at: &mut String, pointers: &mut Vec<String>) {
    let mut enter = |step: &str, inner: &Json, is_key: bool| {
        let length = at.len();
        at.push('/');
        at.push_str(&step.replace('~', "~0").replace('/', "~1"));
        if is_key {
            pointers.push(at.clone());
        }
        collect(inner, at, pointers);
        at.truncate(length);
    };
    match value {
        Json::Object(map) => map.iter().for_each(|(key, inner)| enter(key, inner, true)),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, inner)| enter(&index.to_string(), inner, false));
        }
        _ => {}
    }
}

fn remove(value: &mut Json, pointer: &str) {
    let Some((around, key)) = pointer.rsplit_once('/') else { return };
    if let Some(map) = value.pointer_mut(around).and_then(Json::as_object_mut) {
        map.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

/// What differs between the pipeline of a lock and another one, by meaning.
pub fn differing(locked: &Json, pipeline: &Pipeline) -> Vec<Difference> {
    let now = canonical(pipeline);
    // With the defaults written out, where this program understands the lock's.
    let full = |form: &Json| {
        let mut pipeline = serde_json::from_value::<Pipeline>(form.clone()).map(|it| value(&it)).ok()?;
        LEFT_OUT.iter().for_each(|pointer| remove(&mut pipeline, pointer));
        Some(pipeline)
    };
    match (full(locked), full(&now)) {
        (Some(before), Some(now)) => differences(&before, &now, schema::full()),
        _ => differences(locked, &now, schema::full()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load;
    use std::path::Path;

    fn pipeline(sets: &[&str]) -> Pipeline {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/digits.yaml");
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        load(&file, &sets).pipeline.unwrap().pipeline
    }

    #[test]
    fn what_changes_no_number_is_left_out() {
        let form = canonical(&pipeline(&[]));
        insta::assert_snapshot!(serde_json::to_string_pretty(&form).unwrap());
        for same in [
            "name=other",
            "description=other",
            "device=cpu",
            "seed=7",
            "report.title=other",
            "evaluation=[roc]",
            "expect={}",
            "training.optimizer.adam.beta_1=0.9",
            "threads=auto",
            "training.checkpoint.epochs=1",
        ] {
            assert_eq!(canonical(&pipeline(&[same])), form, "{same}");
        }
        for other in
            ["threads=1", "training.epochs=31", "training.optimizer.adam.beta_1=0.8", "dataset.validation=none"]
        {
            let pipeline = pipeline(&[other]);
            assert_ne!(canonical(&pipeline), form, "{other}");
            assert_eq!(differing(&form, &pipeline).len(), 1, "{other}");
        }
        assert_eq!(differing(&form, &pipeline(&["threads=1"]))[0].to_string(), "threads: auto -> 1");
        assert!(differing(&form, &pipeline(&[])).is_empty());
    }

    #[test]
    fn it_gives_the_same_pipeline_again() {
        let form = canonical(&pipeline(&[]));
        let again: Pipeline = serde_json::from_value(form.clone()).unwrap();
        assert_eq!(canonical(&again), form);
    }
}
