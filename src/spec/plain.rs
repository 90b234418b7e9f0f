//! A pipeline as YAML that one could have written: without defaults, each layer in a line where its arguments fit there.

use super::{Pipeline, origins::scalar};
use crate::layer::Layer;
use serde_json::Value as Json;

/// The pipeline without what it would be without saying so.
pub fn plain(pipeline: &Pipeline) -> String {
    let mut bare = pipeline.clone();
    let layers = std::mem::take(&mut bare.model.layers);
    let mut whole = to_json(&bare);
    let same = |json: &Json| serde_json::from_value::<Pipeline>(json.clone()).is_ok_and(|other| other == bare);
    leave_out(&mut whole, &[], &same);
    whole["model"]["layers"] = layers.iter().map(plain_layer).collect();
    lines(&whole).into_iter().map(|line| line + "\n").collect()
}

fn to_json(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).expect("a pipeline is plain data")
}

/// Takes away each value below `at` that `whole` says the same without.
fn leave_out(whole: &mut Json, at: &[String], same: &dyn Fn(&Json) -> bool) {
    let pointer = |steps: &[String]| steps.iter().map(|step| format!("/{step}")).collect::<String>();
    let keys: Vec<String> = match whole.pointer(&pointer(at)) {
        Some(Json::Object(map)) => map.keys().cloned().collect(),
        Some(Json::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => return,
    };
    for key in keys {
        let mut without = whole.clone();
        let map = without.pointer_mut(&pointer(at)).and_then(Json::as_object_mut);
        if map.is_some_and(|map| map.shift_remove(&key).is_some()) && same(&without) {
            *whole = without;
        } else {
            leave_out(whole, &[at, &[key]].concat(), same);
        }
    }
}

/// A layer without default arguments, and so those within it.
fn plain_layer(layer: &Layer) -> Json {
    let mut json = to_json(layer);
    let same = |json: &Json| serde_json::from_value::<Layer>(json.clone()).is_ok_and(|other| other == *layer);
    for key in json[layer.name()].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>() {
        let mut without = json.clone();
        let removed = without[layer.name()].as_object_mut().and_then(|arguments| arguments.shift_remove(&key));
        if removed.is_some() && same(&without) {
            json = without;
        }
    }
    for block in layer.structure().blocks() {
        if let Some(row) = block.row(&mut json[layer.name()]) {
            *row = block.layers.iter().map(plain_layer).collect();
        }
    }
    json
}

/// The lines of a value in block style.
fn lines(json: &Json) -> Vec<String> {
    match json {
        Json::Object(map) if !map.is_empty() => map.iter().flat_map(|(key, value)| entry(key, value)).collect(),
        Json::Array(items) if !items.is_empty() => items.iter().flat_map(item).collect(),
        other => vec![flow(other).unwrap_or_default()],
    }
}

fn entry(key: &str, value: &Json) -> Vec<String> {
    let key = scalar(&key.into());
    match flow(value).filter(|_| !value.is_object() || value.as_object().is_some_and(serde_json::Map::is_empty)) {
        Some(text) => vec![format!("{key}: {text}")],
        None => [format!("{key}:")].into_iter().chain(indented("  ", lines(value))).collect(),
    }
}

fn item(item: &Json) -> Vec<String> {
    let member = item.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    let own = match member {
        // A member without arguments is a bare name.
        Some((name, arguments)) if arguments.as_object().is_some_and(serde_json::Map::is_empty) => vec![name.clone()],
        Some((name, arguments)) => match flow(arguments) {
            Some(text) => vec![format!("{name}: {text}")],
            None => [format!("{name}:")].into_iter().chain(indented("    ", lines(arguments))).collect(),
        },
        None => lines(item),
    };
    let mut own = own.into_iter();
    let first = own.next().map(|line| format!("- {line}"));
    let rest = own.map(|line| if member.is_some() { line } else { format!("  {line}") });
    first.into_iter().chain(rest).collect()
}

fn indented(by: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    lines.into_iter().map(move |line| format!("{by}{line}"))
}

/// In one line, where it holds no mapping or list that holds another one.
fn flow(json: &Json) -> Option<String> {
    let holds_none = |value: &Json| match value {
        Json::Object(map) => map.is_empty(),
        Json::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
        _ => true,
    };
    match json {
        Json::Object(map) if map.values().all(holds_none) => {
            let entries =
                map.iter().map(|(key, value)| Some(format!("{}: {}", scalar(&key.as_str().into()), flow(value)?)));
            Some(format!("{{{}}}", entries.collect::<Option<Vec<_>>>()?.join(", ")))
        }
        Json::Array(items) if items.iter().all(|item| !item.is_object() && holds_none(item)) => {
            Some(format!("[{}]", items.iter().map(flow).collect::<Option<Vec<_>>>()?.join(", ")))
        }
        Json::Object(_) | Json::Array(_) => None,
        value => Some(scalar(value)),
    }
}
