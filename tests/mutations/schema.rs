//! What the JSON schema says of a value, with the sugar of families taken into account.

use serde_json::Value as Json;
use trainyard::spec::schema;

/// The schemas of which a value must fulfil one.
#[derive(Clone, Default)]
pub struct Allowed {
    any: Vec<&'static Json>,
    /// Whether nothing at all is as good as a value: an item whose arguments all have defaults.
    nothing: bool,
    /// Whether the key may be left out.
    pub optional: bool,
}

/// The bounds of a number. What a bound excludes is outside, too.
pub struct Bounds {
    pub whole: bool,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub excludes_low: bool,
    pub excludes_high: bool,
}

fn resolve(mut schema: &'static Json) -> &'static Json {
    while let Some(pointer) = schema["$ref"].as_str() {
        schema = schema::full().pointer(pointer.trim_start_matches('#')).expect("a definition");
    }
    schema
}

fn alternatives(schema: &'static Json) -> Vec<&'static Json> {
    let schema = resolve(schema);
    let inner = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    match inner {
        Some(inner) if schema.get("x-family").is_none() => inner.iter().flat_map(alternatives).collect(),
        _ => vec![schema],
    }
}

fn requires_nothing(schema: &Json) -> bool {
    schema["required"].as_array().is_none_or(Vec::is_empty)
}

/// The arguments of the member `name` of a family.
fn member(family: &'static Json, name: &str) -> Option<&'static Json> {
    let members = family["oneOf"].as_array().into_iter().flatten();
    members.filter_map(|member| member["properties"].get(name)).map(resolve).next()
}

impl Allowed {
    /// A whole pipeline.
    pub fn pipeline() -> Self {
        Allowed { any: vec![schema::full()], ..Allowed::default() }
    }

    /// The value of `key` in such a mapping.
    pub fn entry(&self, key: &str) -> Self {
        let mut allowed = Allowed::default();
        for schema in &self.any {
            if schema.get("x-family").is_some() {
                let Some(arguments) = member(schema, key) else { continue };
                allowed.any.push(arguments);
                if let Some(bare) = arguments["x-bare"].as_str() {
                    allowed.any.extend(alternatives(&arguments["properties"][bare]));
                }
                allowed.nothing = requires_nothing(arguments);
            } else if let Some(inner) = schema["properties"].get(key) {
                allowed.any.extend(alternatives(inner));
                allowed.optional = !schema["required"].as_array().is_some_and(|keys| keys.iter().any(|k| k == key));
            } else if schema["additionalProperties"].is_object() {
                allowed.any.extend(alternatives(&schema["additionalProperties"]));
                allowed.optional = true;
            }
        }
        allowed
    }

    /// An item of such a list.
    pub fn item(&self) -> Self {
        let items = self.any.iter().filter_map(|schema| schema.get("items"));
        Allowed { any: items.flat_map(alternatives).collect(), ..Allowed::default() }
    }

    /// Whether a value of the JSON type `name` can be right.
    pub fn accepts(&self, name: &str) -> bool {
        let is = |schema: &Json, name: &str| match &schema["type"] {
            Json::String(one) => one == name,
            Json::Array(many) => many.iter().any(|one| one == name),
            _ => schema["const"].is_i64() && name == "integer",
        };
        let found = self.any.iter().any(|schema| is(schema, name) || (name == "integer" && is(schema, "number")));
        found || (name == "null" && self.nothing)
    }

    /// Whether any text will do.
    pub fn is_free_text(&self) -> bool {
        let free = |schema: &&&Json| schema["type"] == "string" && schema.get("const").is_none();
        self.any.iter().filter(free).any(|schema| schema.get("pattern").is_none() && schema.get("enum").is_none())
    }

    /// The bounds, where a number can be right.
    pub fn bounds(&self) -> Option<Bounds> {
        let types = |schema: &Json| schema["type"].to_string();
        let is_number = |schema: &&&Json| types(schema).contains("integer") || types(schema).contains("number");
        let schema = self.any.iter().find(is_number)?;
        let bound = |key: &str| schema[key].as_f64();
        Some(Bounds {
            whole: !types(schema).contains("number"),
            low: bound("minimum").or(bound("exclusiveMinimum")),
            high: bound("maximum").or(bound("exclusiveMaximum")),
            excludes_low: bound("exclusiveMinimum").is_some(),
            excludes_high: bound("exclusiveMaximum").is_some(),
        })
    }

    /// The one number that is right, where there is only one.
    pub fn constant(&self) -> Option<i64> {
        self.any.iter().find_map(|schema| schema["const"].as_i64())
    }

    /// Whether `words` of the schema bound a text or a list.
    pub fn bound(&self, word: &str) -> Option<u64> {
        self.any.iter().find_map(|schema| schema[word].as_u64())
    }

    /// Whether a text must have a form.
    pub fn has_pattern(&self) -> bool {
        self.any.iter().any(|schema| schema.get("pattern").is_some())
    }
}
