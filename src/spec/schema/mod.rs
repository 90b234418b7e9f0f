//! The JSON schema of the language, made from the Rust types.
//!
//! There are two forms. [`full`] is what schemars makes: it knows only items written in full, and the check walks it.
//! [`published`] also accepts what a pipeline may say instead, bare names, bare values and fractions, and is what editors read.

mod published;

use super::{
    Pipeline,
    normalize::{members, resolve},
};
use serde_json::Value as Json;
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

/// Whether a member of a family takes an argument of this name.
pub fn takes(family: &str, member: &str, argument: &str) -> bool {
    let members = members(&full()["$defs"][family]);
    let definition = members.into_iter().find(|(name, _)| *name == member).map(|(_, definition)| definition);
    definition.is_some_and(|definition| resolve(full(), definition)["properties"].get(argument).is_some())
}

/// Takes away what says nothing to a reader of YAML: the widths of Rust's integers, defaults that aren't constant, and the
/// line breaks within a paragraph, which are those of the source code.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if map.get("format").is_some_and(Json::is_string) {
                map.remove("format");
            }
            if map.contains_key("x-default") || map.get("default").is_some_and(Json::is_null) {
                map.remove("default");
            }
            if let Some(Json::String(text)) = map.get_mut("description") {
                let paragraphs: Vec<String> =
                    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
                *text = paragraphs.join("\n\n");
            }
            map.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The schema of pipelines as people write them, as text that ends with a line break.
pub fn published() -> String {
    let schema = published::published(full());
    serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
}
