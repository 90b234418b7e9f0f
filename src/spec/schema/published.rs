//! The schema that editors read.
//!
//! It accepts what a pipeline may say instead of the full form: bare names, bare values, fractions. And it is shaped for
//! yaml-language-server, so that a mistake is reported as what it is and completion offers what fits:
//!
//! - what an item is, is decided by `if` on its type, not by `anyOf`: of many alternatives that all fail, the server
//!   reports whichever comes first;
//! - the server offers values from `anyOf` and not from `then`, so a family also carries an `anyOf` that holds for
//!   everything and only says what there is;
//! - `markdownDescription`, `errorMessage` and `defaultSnippets` are annotations that VS Code and yaml-language-server
//!   read and validators ignore.

use super::super::normalize::{expectation, inline, listed};
use serde_json::{Map, Value as Json, json};

/// The published form of the schema `full`.
pub fn published(full: &Json) -> Json {
    let editor = Editor { definitions: &full["$defs"] };
    let mut schema = editor.schema(full);
    let mut definitions = Map::new();
    for (name, definition) in editor.definitions.as_object().into_iter().flatten() {
        definitions.insert(name.clone(), editor.schema(definition));
    }
    let owners = editor.definitions.as_object().into_iter().flatten().map(|(_, definition)| definition).chain([full]);
    for property in owners.flat_map(|owner| owner["properties"].as_object().into_iter().flatten()).map(|(_, p)| p) {
        editor.offer_as_value(property, &mut definitions);
    }
    for member in editor.definitions.as_object().into_iter().flatten().flat_map(|(_, d)| editor.members(d)) {
        // What it is stands beside its name, where an editor shows it for bare values, too.
        if let Some(definition) = definitions.get_mut(definition_name(member.reference)).and_then(Json::as_object_mut) {
            definition.remove("description");
        }
    }
    schema["$defs"] = Json::Object(definitions);
    // An editor would put it above every explanation.
    schema.as_object_mut().and_then(|root| root.remove("title"));
    schema
}

struct Editor<'s> {
    /// In full form.
    definitions: &'s Json,
}

/// A member of a family.
struct Member<'s> {
    name: &'s str,
    reference: &'s str,
    /// Its arguments.
    definition: &'s Json,
}

impl Member<'_> {
    fn required(&self) -> Vec<&str> {
        self.definition["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
    }

    fn stands_alone(&self) -> bool {
        self.required().is_empty()
    }

    fn bare(&self) -> Option<&str> {
        self.definition["x-bare"].as_str()
    }

    fn examples(&self) -> impl Iterator<Item = &Map<String, Json>> {
        self.definition["examples"].as_array().into_iter().flatten().filter_map(Json::as_object)
    }

    /// `dropout: 0.2`, in the shortest form there is.
    fn item(&self, arguments: &Map<String, Json>) -> String {
        match (self.bare().and_then(|bare| arguments.get(bare)), arguments.len()) {
            (_, 0) => self.name.to_owned(),
            (Some(value), 1) => format!("{}: {}", self.name, written(value)),
            _ => format!("{}: {}", self.name, written(&Json::Object(arguments.clone()))),
        }
    }

    fn explanation(&self) -> String {
        let items: Vec<String> = self.examples().map(|example| self.item(example)).collect();
        format!("{}\n\n```yaml\n{}\n```", description(self.definition), items.join("\n"))
    }

    /// What an editor writes for the member: the shortest form, and an example with arguments where that form is a bare name.
    fn snippets(&self) -> Vec<Json> {
        let snippet = |label: &str, text: String| json!({ "label": label, "bodyText": text, "markdownDescription": self.explanation() });
        let required = self.required();
        let mut snippets = Vec::new();
        if required.is_empty() {
            snippets.push(snippet(self.name, self.name.to_owned()));
        }
        let suits =
            |example: &&Map<String, Json>| !example.is_empty() && required.iter().all(|key| example.contains_key(*key));
        if let Some(example) = self.examples().find(suits) {
            let shown = |key: &str| required.is_empty() || required.contains(&key);
            let shown: Map<String, Json> =
                example.iter().filter(|(key, _)| shown(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
            let label = if required.is_empty() { self.item(&shown) } else { self.name.to_owned() };
            snippets.push(snippet(&label, self.item(&with_tab_stops(&shown))));
        }
        snippets
    }
}

impl<'s> Editor<'s> {
    fn resolve(&self, mut schema: &'s Json) -> &'s Json {
        while let Some(reference) = schema["$ref"].as_str() {
            schema = &self.definitions[definition_name(reference)];
        }
        schema
    }

    fn members(&self, family: &'s Json) -> Vec<Member<'s>> {
        if family.get("x-family").is_none() {
            return Vec::new();
        }
        let alternatives = family["oneOf"].as_array().into_iter().flatten();
        let named = alternatives.filter_map(|alternative| alternative["properties"].as_object()?.iter().next());
        named
            .filter_map(|(name, arguments)| {
                let reference = arguments["$ref"].as_str()?;
                Some(Member { name, reference, definition: self.resolve(arguments) })
            })
            .collect()
    }

    fn schema(&self, full: &'s Json) -> Json {
        let Some(map) = full.as_object() else { return full.clone() };
        if let Some(kind) = full["x-family"].as_str() {
            return self.family(full, kind);
        }
        if let Some(choices) = full["oneOf"].as_array().filter(|choices| choices.iter().all(|c| c["const"].is_string()))
        {
            return enumeration(full, choices);
        }
        let mut schema = Map::new();
        for (key, value) in map {
            match key.as_str() {
                "properties" => schema.insert(key.clone(), self.properties(full)),
                "items" | "additionalProperties" => schema.insert(key.clone(), self.schema(value)),
                "$defs" | "examples" => None,
                _ if key.starts_with("x-") => None,
                _ => schema.insert(key.clone(), value.clone()),
            };
        }
        if let Some(alternatives) = full["anyOf"].as_array() {
            self.union(&mut schema, alternatives);
        }
        scalar(&mut schema, full);
        Json::Object(schema)
    }

    /// Where a family is the value of a key, the last of its alternatives, which holds for everything, carries the snippets.
    fn offer_as_value(&self, property: &'s Json, definitions: &mut Map<String, Json>) {
        let family = property["$ref"].as_str().map(definition_name).and_then(|name| definitions.get_mut(name));
        let snippets: Vec<Json> =
            self.members(self.resolve(property)).iter().flat_map(Member::snippets).filter_map(in_braces).collect();
        if let Some(last) = family.and_then(|family| family.get_mut("anyOf")?.as_array_mut()?.last_mut())
            && !snippets.is_empty()
        {
            *last = json!({ "defaultSnippets": snippets });
        }
    }

    fn properties(&self, owner: &'s Json) -> Json {
        let properties = owner["properties"].as_object().into_iter().flatten();
        let properties = properties.map(|(name, property)| (name.clone(), self.property(owner, name, property)));
        Json::Object(properties.collect())
    }

    fn property(&self, owner: &'s Json, name: &str, full: &'s Json) -> Json {
        let mut property = self.schema(full);
        let required = owner["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
        let default =
            full.get("default").map(|default| self.shortened(default, full)).filter(|default| !is_empty(default));
        let mut facts: Vec<String> =
            self.range(full).map(|words| format!("{}.", capitalised(&words))).into_iter().collect();
        if required {
            facts.push("Required.".to_owned());
        }
        match (&default, full["x-default"].as_str()) {
            (Some(default), _) => facts.push(format!("Default: `{}`.", inline(default))),
            (None, Some(words)) => facts.push(format!("Default: {words}.")),
            (None, None) => {}
        }
        let mut markdown = vec![description(full).to_owned(), facts.join(" ")];
        let of_owner = owner["examples"].as_array().into_iter().flatten().find_map(|example| example.get(name));
        let own = full["examples"].as_array().cloned().unwrap_or_default();
        let examples = if own.is_empty() && required { Vec::from_iter(of_owner.cloned()) } else { own };
        let (long, short): (Vec<Json>, Vec<Json>) = examples.into_iter().partition(|e| e.is_array() || e.is_object());
        markdown.extend(long.iter().map(|example| format!("```yaml\n{name}: {}\n```", written(example))));
        if !short.is_empty() && full.get("const").is_none() {
            property["examples"] = short.iter().map(with_fractions).collect();
        }
        if full["additionalProperties"].is_object() {
            property["defaultSnippets"] = entries(full);
        }
        markdown.retain(|paragraph| !paragraph.is_empty());
        property["markdownDescription"] = json!(markdown.join("\n\n"));
        match default {
            Some(default) => property["default"] = default,
            None => _ = property.as_object_mut().and_then(|property| property.remove("default")),
        }
        property
    }

    /// What a value may be, where the type alone doesn't say it.
    fn range(&self, full: &'s Json) -> Option<String> {
        let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
        let bounded = bounds.iter().any(|key| full.get(*key).is_some());
        match full["anyOf"].as_array() {
            Some(alternatives) => Some(self.words(&self.flat(alternatives))),
            None => (bounded || full.get("x-expected").is_some()).then(|| expectation(full)),
        }
    }

    fn words(&self, alternatives: &[&'s Json]) -> String {
        let words = alternatives.iter().filter(|alternative| alternative["type"] != "null");
        words.map(|alternative| expectation(self.resolve(alternative))).collect::<Vec<_>>().join(" or ")
    }

    /// The alternatives, with those of alternatives in their place.
    fn flat(&self, alternatives: &'s [Json]) -> Vec<&'s Json> {
        let inner = |alternative: &'s Json| self.resolve(alternative)["anyOf"].as_array();
        let flat = alternatives.iter().flat_map(|alternative| match inner(alternative) {
            Some(inner) => self.flat(inner),
            None => vec![alternative],
        });
        flat.collect()
    }

    /// Alternatives of different types become one schema, for a keyword says nothing about the types it isn't for.
    fn union(&self, schema: &mut Map<String, Json>, alternatives: &'s [Json]) {
        let alternatives = self.flat(alternatives);
        let plain = |alternative: &&Json| alternative["const"].is_string() || is_plain(alternative);
        if !alternatives.iter().all(plain) {
            self.union_of_any(schema, &alternatives);
            return;
        }
        let (words, typed): (Vec<_>, Vec<_>) =
            alternatives.iter().partition(|alternative| alternative["const"].is_string());
        let mut types: Vec<Json> = Vec::new();
        schema.remove("anyOf");
        for alternative in typed {
            for (key, value) in self.schema(alternative).as_object().into_iter().flatten() {
                match key.as_str() {
                    "type" => types.extend(value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])),
                    // Beside `type`, an editor would write a list for every value.
                    "items" => {
                        schema.insert("if".to_owned(), json!({ "type": "array" }));
                        schema.insert("then".to_owned(), json!({ "items": value }));
                    }
                    _ => _ = schema.insert(key.clone(), value.clone()),
                }
            }
        }
        if !words.is_empty() {
            let words: Vec<&str> = words.into_iter().filter_map(|word| word["const"].as_str()).collect();
            let mut pattern = one_of(&words);
            if let Some(fraction) = schema.get("pattern").and_then(Json::as_str) {
                pattern = format!("{pattern}|{fraction}");
            }
            schema.insert("pattern".to_owned(), json!(pattern));
            if !types.contains(&json!("string")) {
                types.push(json!("string"));
            }
        }
        schema.insert("type".to_owned(), Json::Array(types));
        schema.insert("errorMessage".to_owned(), json!(format!("Expected {}.", self.words(&alternatives))));
    }

    /// Alternatives of which some are families, mappings or enumerations.
    fn union_of_any(&self, schema: &mut Map<String, Json>, alternatives: &[&'s Json]) {
        let is_mapping = |alternative: &Json| alternative["type"] == "object" || alternative.get("x-family").is_some();
        let mappings: Vec<Json> =
            alternatives.iter().filter(|a| is_mapping(self.resolve(a))).map(|a| self.schema(a)).collect();
        let all: Json = alternatives.iter().map(|alternative| self.schema(alternative)).collect();
        if mappings.is_empty() {
            schema.insert("anyOf".to_owned(), all);
            return;
        }
        schema.remove("anyOf");
        schema.insert("if".to_owned(), json!({ "type": "object" }));
        schema.insert("then".to_owned(), json!({ "anyOf": mappings }));
        schema.insert("else".to_owned(), json!({ "anyOf": all }));
    }

    /// `flatten`, `flatten:` and `batch: 256` beside `batch: {batch_size: 256}`.
    fn family(&self, family: &'s Json, kind: &str) -> Json {
        let kind = if kind == "evaluation" { "evaluation step" } else { kind };
        let members = self.members(family);
        let names: Vec<&str> = members.iter().map(|member| member.name).collect();
        let alone: Vec<&str> = members.iter().filter(|m| m.stands_alone()).map(|member| member.name).collect();

        let mut properties = Map::new();
        let (mut offered, mut snippets) = (Vec::new(), Vec::new());
        for member in &members {
            let (plain, markdown) = (description(member.definition), member.explanation());
            properties.insert(member.name.to_owned(), self.member(member));
            if member.stands_alone() {
                offered.push(json!({ "const": member.name, "description": plain, "markdownDescription": markdown }));
            }
            snippets.extend(member.snippets());
        }
        offered.push(json!({}));
        let known: Map<String, Json> = names.iter().map(|name| ((*name).to_owned(), json!(true))).collect();

        json!({
            "anyOf": offered,
            "if": { "type": "object" },
            "then": {
                "properties": known,
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
                "errorMessage": format!("No such {kind}. There is {}.", listed(&names, "and")),
                "allOf": [{ "properties": properties }],
                "defaultSnippets": snippets,
            },
            "else": bare_names(kind, &members, &alone),
        })
    }

    /// What follows a member's name.
    fn member(&self, member: &Member<'s>) -> Json {
        let otherwise = match (member.bare(), member.stands_alone()) {
            (Some(bare), alone) => {
                let mut value = self.schema(&member.definition["properties"][bare]);
                let map = value.as_object_mut().expect("an argument has a schema");
                for annotation in ["description", "default", "examples"] {
                    map.remove(annotation);
                }
                if alone { or_nothing(value) } else { value }
            }
            (None, true) => json!({ "type": "null", "errorMessage": self.takes(member) }),
            (None, false) => json!({ "type": "object", "errorMessage": self.takes(member) }),
        };
        let mut schema = json!({
            "description": description(member.definition),
            "markdownDescription": member.explanation(),
            "if": { "type": "object" },
            "then": { "$ref": member.reference },
            "else": otherwise,
            "doNotSuggest": true, // the family's snippets are offered
        });
        if let Some(choices) = self.bare_choices(member) {
            schema["defaultSnippets"] = choices;
        }
        schema
    }

    fn takes(&self, member: &Member<'s>) -> String {
        let arguments = member.definition["properties"].as_object().map(|p| p.keys().map(String::as_str).collect());
        let arguments: Vec<&str> = arguments.unwrap_or_default();
        let name = member.name;
        match (arguments.is_empty(), member.examples().next()) {
            (true, _) => format!("`{name}` takes no arguments."),
            (false, Some(example)) if !example.is_empty() => {
                format!("`{name}` takes {}: for example `{}`.", listed(&arguments, "and"), member.item(example))
            }
            (false, _) => format!("`{name}` takes {}.", listed(&arguments, "and")),
        }
    }

    /// The words that a bare value is one of.
    fn bare_choices(&self, member: &Member<'s>) -> Option<Json> {
        let value = self.resolve(&member.definition["properties"][member.bare()?]);
        let choices = value["oneOf"].as_array()?.iter();
        let snippets = choices.map(
            |choice| json!({ "label": choice["const"], "bodyText": choice["const"], "markdownDescription": choice["description"] }),
        );
        Some(snippets.collect())
    }

    /// A default in its shortest form.
    fn shortened(&self, default: &'s Json, schema: &'s Json) -> Json {
        let resolved = self.resolve(schema);
        let members = self.members(resolved);
        match default {
            Json::Array(items) if schema["type"] == "array" => {
                items.iter().map(|item| self.shortened(item, &schema["items"])).collect()
            }
            Json::Array(items) if items.windows(2).all(|pair| pair[0] == pair[1]) => items[0].clone(),
            Json::Object(item) => {
                let named = |member: &&Member<'s>| item.get(member.name).is_some_and(|given| is_default(given, member));
                members.iter().find(named).map_or(default.clone(), |member| json!(member.name))
            }
            _ => default.clone(),
        }
    }
}

/// Whether arguments say no more than the name alone.
fn is_default(arguments: &Json, member: &Member<'_>) -> bool {
    let mut arguments = arguments.as_object().into_iter().flatten();
    arguments.all(|(name, value)| member.definition["properties"][name]["default"] == *value)
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.values().all(is_empty),
        _ => false,
    }
}

/// Words with their explanations.
fn enumeration(full: &Json, choices: &[Json]) -> Json {
    let column = |key: &str| choices.iter().map(|choice| choice[key].clone()).collect::<Json>();
    json!({
        "description": full["description"],
        "type": "string",
        "enum": column("const"),
        "markdownEnumDescriptions": column("description"),
    })
}

/// Numbers may be fractions; and a message says what is expected.
fn scalar(schema: &mut Map<String, Json>, full: &Json) {
    let mut types: Vec<&str> = match &full["type"] {
        Json::String(name) => vec![name],
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        _ => return,
    };
    if types.iter().any(|name| ["array", "object"].contains(name)) {
        return;
    }
    let mut expected = expectation(full);
    if types.contains(&"number") {
        let exponent = "([eE][-+]?[0-9]+)?";
        let above = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)";
        let below = r"[-+]?(0*[1-9][0-9]*\.?[0-9]*|0*\.0*[1-9][0-9]*)"; // anything but 0
        types.push("string");
        schema.insert("type".to_owned(), json!(types));
        schema.insert("pattern".to_owned(), json!(format!(r"^\s*{above}{exponent}\s*/\s*{below}{exponent}\s*$")));
        expected.push_str(", or a fraction such as 1/255");
    }
    schema.insert("errorMessage".to_owned(), json!(format!("Expected {expected}.")));
}

fn or_nothing(mut value: Json) -> Json {
    match value.get_mut("type") {
        Some(Json::Array(names)) if names.contains(&json!("null")) => value,
        Some(Json::Array(names)) => {
            names.push(json!("null"));
            value
        }
        Some(Json::String(name)) => {
            value["type"] = json!([name, "null"]);
            value
        }
        _ => json!({ "anyOf": [value, { "type": "null" }] }),
    }
}

/// Items that are but a name.
fn bare_names(kind: &str, members: &[Member<'_>], alone: &[&str]) -> Json {
    let others: Vec<&str> = members.iter().filter(|m| !m.stands_alone()).map(|member| member.name).collect();
    let mut message = format!("No such {kind}, or it needs arguments.");
    if !alone.is_empty() {
        message.push_str(&format!(" Alone can stand {}.", listed(alone, "and")));
    }
    if !others.is_empty() {
        message.push_str(&format!(" With arguments there is {}.", listed(&others, "and")));
    }
    if alone.is_empty() {
        return json!({ "type": "object", "errorMessage": message });
    }
    // Only names that are wrong reach the `enum`: an editor shows all of its words wherever it applies.
    json!({
        "if": { "type": "string", "pattern": one_of(alone) },
        "else": { "enum": alone, "errorMessage": message },
    })
}

/// Snippets for a mapping with free keys, from its examples.
fn entries(full: &Json) -> Json {
    let examples = full["examples"].as_array().into_iter().flatten().filter_map(Json::as_object).flatten();
    let snippets = examples.map(|(key, value)| json!({ "label": key, "body": { key.as_str(): written(value) } }));
    snippets.collect()
}

/// A member's snippet as the value of a key: a bare name needs none, arguments need braces on the key's line.
fn in_braces(mut snippet: Json) -> Option<Json> {
    let text = snippet["bodyText"].as_str()?.to_owned();
    let label = match snippet["label"].as_str()? {
        label if label == text => return None,
        label if label.contains(':') => format!("{{{label}}}"),
        label => format!("{{{label}: ...}}"),
    };
    snippet["label"] = json!(label);
    snippet["bodyText"] = json!(format!("{{{text}}}"));
    Some(snippet)
}

/// Whether it holds nothing but keywords for scalars, or a list.
fn is_plain(schema: &Json) -> bool {
    let kind = schema["type"].as_str();
    kind.is_some_and(|kind| kind != "object")
}

fn one_of(words: &[&str]) -> String {
    format!("^({})$", words.join("|"))
}

fn definition_name(reference: &str) -> &str {
    reference.trim_start_matches("#/$defs/")
}

fn description(schema: &Json) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The values as places to type at in a snippet.
fn with_tab_stops(arguments: &Map<String, Json>) -> Map<String, Json> {
    let places = (1..).zip(arguments);
    places.map(|(n, (key, value))| (key.clone(), json!(format!("${{{n}:{}}}", written(value))))).collect()
}

/// A value as a person writes it.
fn written(value: &Json) -> String {
    inline(&with_fractions(value))
}

/// 0.00392156862745098 is 1/255.
fn with_fractions(value: &Json) -> Json {
    match value {
        Json::Number(number) if number.to_string().len() > 10 => {
            let number = number.as_f64().unwrap_or(1.0);
            let below = (2.0 / number).round() / 2.0;
            if (1.0 / below - number).abs() < 1e-15 { json!(format!("1/{below}")) } else { value.clone() }
        }
        Json::Array(items) => items.iter().map(with_fractions).collect(),
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_fractions(value))).collect(),
        _ => value.clone(),
    }
}
