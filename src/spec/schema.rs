//! The JSON schema of the language, made from the Rust types.
//!
//! There are two forms. [`full`] is what schemars makes: it knows only items written in full, and the check walks it.
//! [`published`] also accepts what a pipeline may say instead, bare names, bare values and fractions, and is what editors read.

use super::Pipeline;
use serde_json::{Map, Value as Json, json};
use std::sync::LazyLock;

/// The schema of pipelines whose sugar was rewritten.
pub fn full() -> &'static Json {
    static SCHEMA: LazyLock<Json> = LazyLock::new(|| {
        let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<Pipeline>().to_value();
        tidy(&mut schema);
        schema
    });
    &SCHEMA
}

/// Takes away what says nothing to a reader of YAML: the widths of Rust's integers, and defaults that aren't constant.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if map.get("format").is_some_and(Json::is_string) {
                map.remove("format");
            }
            if map.contains_key("x-default") || map.get("default").is_some_and(Json::is_null) {
                map.remove("default");
            }
            map.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The schema of pipelines as people write them, as text that ends with a line break.
pub fn published() -> String {
    let mut schema = full().clone();
    let definitions = schema["$defs"].clone();
    widen(&mut schema, &definitions);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    text.push('\n');
    text
}

fn widen(schema: &mut Json, definitions: &Json) {
    match schema {
        Json::Object(map) => {
            map.values_mut().for_each(|inner| widen(inner, definitions));
            if map.remove("x-family").is_some() {
                widen_family(map, definitions);
            } else if map.get("type") == Some(&json!("number")) {
                accept_fraction(map);
            }
            map.retain(|key, _| !key.starts_with("x-"));
        }
        Json::Array(items) => items.iter_mut().for_each(|inner| widen(inner, definitions)),
        _ => {}
    }
}

/// `flatten`, `flatten:` and `batch: 256` beside `batch: {batch_size: 256}`.
fn widen_family(family: &mut Map<String, Json>, definitions: &Json) {
    let Some(Json::Array(members)) = family.remove("oneOf") else { return };
    let mut alternatives = Vec::new();
    for mut member in members {
        let Some((name, arguments)) = member["properties"].as_object().and_then(|p| p.iter().next()) else { continue };
        let name = name.clone();
        let Some(reference) = arguments["$ref"].as_str().map(str::to_owned) else { continue };
        let definition = &definitions[reference.trim_start_matches("#/$defs/")];
        let mut forms = vec![json!({ "$ref": reference })];
        if let Some(bare) = definition["x-bare"].as_str() {
            let mut value = definition["properties"][bare].clone();
            widen(&mut value, definitions);
            forms.push(value);
        }
        let optional = definition["required"].as_array().is_none_or(Vec::is_empty);
        if optional {
            forms.push(json!({ "type": "null" }));
            alternatives.push(json!({ "const": name, "description": definition["description"] }));
        }
        member["properties"][&name] = json!({ "description": definition["description"], "anyOf": forms });
        member["title"] = json!(name);
        alternatives.push(member);
    }
    family.insert("anyOf".to_owned(), Json::Array(alternatives));
}

fn accept_fraction(number: &mut Map<String, Json>) {
    let mut bounds = Map::new();
    for key in ["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        if let Some(value) = number.remove(key) {
            bounds.insert(key.to_owned(), value);
        }
    }
    let fraction = r"^\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*/\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*$";
    let fraction = json!({ "type": "string", "pattern": fraction, "description": "A fraction, such as `1/255`." });
    number.insert("anyOf".to_owned(), json!([bounds, fraction]));
}
