//! Every key of the language and every member of its families, in one list: what `explain` shows, and where a misplaced
//! key belongs. It is read off the schema.

use super::{
    normalize::{expectation, inline, listed, members, resolve},
    schema,
};
use serde_json::Value as Json;
use std::sync::LazyLock;

/// A key, or a member of a family.
#[derive(Clone, Debug)]
pub struct Item {
    /// The way to it, as `--set` writes it but without the items' numbers: `model`, `layers`, `conv2d`, `filters`.
    pub path: Vec<&'static str>,
    /// The schema at this place: description, default, examples.
    pub schema: &'static Json,
    /// The same with references followed.
    pub definition: &'static Json,
    /// What it is.
    pub role: Role,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A key, which must be given or has a default.
    Key {
        /// Whether it must be given.
        required: bool,
    },
    /// A member of this family: a layer, a stage.
    Member(&'static str),
}

/// The whole language.
#[derive(Debug, Default)]
pub struct Reference {
    /// Keys and members, each behind what it stands in.
    pub items: Vec<Item>,
    /// For each family, the keys whose values are its members.
    pub families: Vec<(&'static str, Vec<Vec<&'static str>>)>,
}

/// What stands for a key that the user chooses.
pub const ANY_KEY: &str = "NAME";

/// The reference of the language.
pub fn reference() -> &'static Reference {
    static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
        let mut reference = Reference::default();
        reference.walk(schema::full(), &[]);
        reference
    });
    &REFERENCE
}

impl Item {
    /// Its own name, the last step of the way.
    pub fn name(&self) -> &'static str {
        self.path.last().copied().unwrap_or_default()
    }

    /// The way as it is written, `model.layers.conv2d.filters`.
    pub fn display(&self) -> String {
        self.path.join(".")
    }

    /// What other frameworks call it.
    pub fn known_as(&self) -> impl Iterator<Item = &'static str> {
        let names = |schema: &'static Json| schema["x-known-as"].as_array().into_iter().flatten();
        names(self.schema).chain(names(self.definition)).filter_map(Json::as_str)
    }

    /// What its value must be, in words.
    pub fn expected(&self) -> String {
        expected(self.schema)
    }

    /// Its default as it would be written, or how it is found.
    pub fn default(&self) -> Option<String> {
        let found = || Some(self.schema["x-default"].as_str()?.to_owned());
        let written = || Some(format!("`{}`", inline(self.schema.get("default").filter(|d| !d.is_null())?)));
        found().or_else(written)
    }

    /// Examples of its value.
    pub fn examples(&self) -> impl Iterator<Item = String> {
        let examples = |schema: &'static Json| schema["examples"].as_array().into_iter().flatten();
        let own = examples(self.schema).next().is_some();
        examples(if own { self.schema } else { self.definition }).map(inline)
    }

    /// The argument that a bare value sets.
    pub fn bare(&self) -> Option<&'static str> {
        self.definition["x-bare"].as_str()
    }

    /// The words that it may be, each with what it means.
    pub fn choices(&self) -> Vec<(&'static str, &'static str)> {
        let alternatives = self.definition["oneOf"].as_array().into_iter().flatten();
        let choice =
            |one: &'static Json| Some((one["const"].as_str()?, one["description"].as_str().unwrap_or_default()));
        alternatives.filter_map(choice).collect()
    }

    /// Its documentation.
    pub fn description(&self) -> &'static str {
        let text = self.schema["description"].as_str().or_else(|| self.definition["description"].as_str());
        text.unwrap_or_default()
    }
}

fn expected(schema: &'static Json) -> String {
    let schema = resolve(schema::full(), schema);
    if let Some(family) = schema["x-family"].as_str() {
        let names: Vec<&str> = members(schema).into_iter().map(|(name, _)| name).collect();
        return format!("the {family} {}", listed(&names, "or"));
    }
    let alternatives = |key: &str| schema[key].as_array().map(|all| all.iter().map(expected).collect::<Vec<_>>());
    let either = |all: Vec<String>| match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => all.concat(),
    };
    if schema["items"].is_object() && schema["x-expected"].is_null() {
        let inner = resolve(schema::full(), &schema["items"]);
        return match inner["x-family"].as_str() {
            Some("evaluation") => "a list of evaluation steps".to_owned(),
            Some(family) => format!("a list of {family}s"),
            None if inner["items"].is_object() => format!("a list in which each item is {}", expected(inner)),
            None => expectation(schema),
        };
    }
    match alternatives("oneOf").or_else(|| alternatives("anyOf")) {
        Some(alternatives) => either(alternatives),
        None => expectation(schema),
    }
}

impl Reference {
    fn walk(&mut self, schema: &'static Json, path: &[&'static str]) {
        let schema = resolve(schema::full(), schema);
        if let Some(family) = schema["x-family"].as_str() {
            return self.walk_family(family, schema, path);
        }
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            self.walk(alternative, path);
        }
        if schema["items"].is_object() {
            self.walk(&schema["items"], path);
        }
        if schema["additionalProperties"].is_object() {
            self.walk(&schema["additionalProperties"], &[path, &[ANY_KEY]].concat());
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = [path, &[key.as_str()]].concat();
            self.items.push(Item {
                path: path.clone(),
                schema: inner,
                definition: resolve(schema::full(), inner),
                role: Role::Key { required: required.contains(&key.as_str()) },
            });
            self.walk(inner, &path);
        }
    }

    fn walk_family(&mut self, family: &'static str, schema: &'static Json, path: &[&'static str]) {
        match self.families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, places)) => {
                if !places.iter().any(|place| place == path) {
                    places.push(path.to_vec());
                }
                return;
            }
            None => self.families.push((family, vec![path.to_vec()])),
        }
        for (name, inner) in members(schema) {
            let path = [path, &[name]].concat();
            let definition = resolve(schema::full(), inner);
            self.items.push(Item { path: path.clone(), schema: inner, definition, role: Role::Member(family) });
            self.walk(definition, &path);
        }
    }

    /// The keys whose values are members of `family`.
    pub fn places(&self, family: &str) -> &[Vec<&'static str>] {
        self.families.iter().find(|(name, _)| *name == family).map_or(&[], |(_, places)| places)
    }
}
