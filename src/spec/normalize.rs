//! The tree against the schema: sugar is rewritten to the full form, and every violation is reported at its place.
//!
//! The schema is the one that schemars makes from the Rust types. A family (`x-family`) is decided by the item's name
//! before anything else is looked at, so that a message speaks of `conv2d.filters` and never of many alternatives.
//! Besides the vocabulary of JSON schema that our types produce, four words of our own are read: `x-family` on a choice,
//! `x-bare` on a member (the argument that a bare value sets), and `x-default` (how a default is found that isn't a
//! constant), and `x-expected` (what a message says a value must be).

use super::{
    tree::{Entry, Node, Step, Value, display_path},
    vocabulary,
};
use crate::diagnostic::{Code, Diagnostic, Label, MAX_PROBLEMS, Place, nearest};
use regex_lite::Regex;
use serde_json::Value as Json;

/// Rewrites sugar in `root` and reports what the schema forbids.
pub fn normalize(root: &mut Node, schema: &Json, problems: &mut Vec<Diagnostic>) {
    let mut walk = Walk { schema, path: Vec::new(), key_place: None, via: None, problems };
    walk.value(root, schema);
}

struct Walk<'s, 'p> {
    schema: &'s Json,
    path: Vec<Step>,
    /// Where the key of the value at hand was written.
    key_place: Option<Place>,
    /// The alias that the value at hand came through.
    via: Option<Place>,
    problems: &'p mut Vec<Diagnostic>,
}

impl<'s> Walk<'s, '_> {
    fn resolve(&self, schema: &'s Json) -> &'s Json {
        resolve(self.schema, schema)
    }

    fn report(&mut self, mut problem: Diagnostic) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        if let Some(place) = self.via {
            problem.labels.insert(1, Label { place, text: "used here".to_owned() });
        }
        self.problems.push(problem);
    }

    /// What a message calls the value at hand: its last key with the member around it, `conv2d.filters`.
    fn subject(&self) -> String {
        let from = self.path.iter().rposition(|step| matches!(step, Step::Index(_)));
        match from {
            // An item of a list has no name of its own.
            Some(i) if i + 1 == self.path.len() => display_path(&self.path),
            Some(i) => display_path(&self.path[i + 1..]),
            None if self.path.is_empty() => "the pipeline".to_owned(),
            None => display_path(&self.path),
        }
    }

    fn value(&mut self, node: &mut Node, schema: &'s Json) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let around = self.via;
        self.via = around.or(node.via);
        self.value_itself(node, schema);
        self.via = around;
    }

    fn value_itself(&mut self, node: &mut Node, schema: &'s Json) {
        let schema = self.resolve(schema);
        if let Some(kind) = schema["x-family"].as_str() {
            return self.item(node, schema, kind);
        }
        if let Some(alternatives) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            return match choices(alternatives) {
                Some(choices) => self.choice(node, &choices),
                None => self.union(node, alternatives),
            };
        }
        if let Some(values) = schema["enum"].as_array() {
            let numbers: Vec<i64> = values.iter().filter_map(Json::as_i64).collect();
            return match numbers.is_empty() {
                true => self.choice(node, &values.iter().filter_map(Json::as_str).collect::<Vec<_>>()),
                false => self.number(node, &numbers),
            };
        }
        if let Some(word) = schema.get("const") {
            return match word.as_str() {
                Some(word) => self.choice(node, &[word]),
                None => self.constant(node, word),
            };
        }
        if !self.has_type(node, schema) {
            return;
        }
        match &mut node.value {
            Value::Map(_) => self.map(node, schema),
            Value::List(_) => self.list(node, schema),
            Value::Int(_) | Value::Float(_) => self.range(node, schema),
            Value::String(_) => {
                self.length(node, schema);
                self.pattern(node, schema);
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Checks the type, after turning fractions and whole floats into what is expected.
    fn has_type(&mut self, node: &mut Node, schema: &Json) -> bool {
        let types = types(schema);
        let allows = |name: &str| types.contains(&name);
        if let (true, Value::String(text)) = (allows("number"), &node.value)
            && let Some(number) = fraction(text)
        {
            node.value = Value::Float(number);
        }
        if let (true, false, Value::Float(number)) = (allows("integer"), allows("number"), &node.value)
            && number.fract() == 0.0
            && number.abs() < 9e15
        {
            node.value = Value::Int(*number as i64);
        }
        let fits = match &node.value {
            Value::Null => allows("null"),
            Value::Bool(_) => allows("boolean"),
            Value::Int(_) => allows("integer") || allows("number"),
            Value::Float(_) => allows("number"),
            Value::String(_) => allows("string"),
            Value::List(_) => allows("array"),
            Value::Map(_) => allows("object"),
        };
        if types.is_empty() || fits {
            return true;
        }
        let subject = self.subject();
        let expected = expectation(schema);
        let (code, found) = match &node.value {
            // The right type of value, but none that fits.
            Value::Float(number) if allows("integer") => (Code::INVALID_VALUE, number_text(*number)),
            other => (Code::WRONG_TYPE, other.kind().to_owned()),
        };
        let mut problem = Diagnostic::error(code, format!("`{subject}` takes {expected}, not {found}"))
            .at(self.point(node), format!("expected {expected}"));
        if let Value::String(text) = &node.value
            && (allows("number") || allows("integer"))
            && let Some(advice) = number_advice(text).filter(|_| allows("number") || !text.ends_with('%'))
        {
            problem = problem.help(advice);
        } else if allows("string") && matches!(node.value, Value::Int(_) | Value::Float(_) | Value::Bool(_)) {
            problem = problem.help("put it in quotes to make it text");
        } else if allows("array") && !matches!(node.value, Value::Null) {
            problem = problem.help("a list is written with a `-` before each item, or as `[a, b]`");
        }
        self.report(problem);
        false
    }

    /// Where to point for a value: itself, or its key where it is nothing or spans several lines.
    fn point(&self, node: &Node) -> Place {
        match (&node.value, self.key_place) {
            (Value::Null, Some(key)) if node.place.start == node.place.end => key,
            _ => node.head(),
        }
    }

    fn map(&mut self, node: &mut Node, schema: &'s Json) {
        let around = self.key_place;
        let place = self.point(node);
        let properties = schema["properties"].as_object();
        let Value::Map(entries) = &mut node.value else { return };
        for entry in entries.iter_mut() {
            if self.problems.len() >= MAX_PROBLEMS {
                return;
            }
            let inner = properties.and_then(|p| p.get(&entry.key));
            match (inner, &schema["additionalProperties"]) {
                (Some(inner), _) => self.entry(entry, inner),
                (None, extra @ Json::Object(_)) => match self.schema["properties"].get(&entry.key) {
                    // A key of the pipeline itself that was indented by mistake.
                    Some(_) => {
                        let problem = self.unknown_key(entry, &schema["properties"]);
                        self.report(problem);
                    }
                    None => self.entry(entry, extra),
                },
                (None, Json::Bool(false)) => {
                    let problem = self.unknown_key(entry, &schema["properties"]);
                    let around = self.via;
                    self.via = around.or(entry.value.via);
                    self.report(problem);
                    self.via = around;
                }
                (None, _) => {}
            }
        }
        self.key_place = around;
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let missing: Vec<&str> = required.filter(|key| !entries.iter().any(|entry| entry.key == **key)).collect();
        for key in missing {
            let subject = self.subject();
            let inner = self.resolve(&schema["properties"][key]);
            let mut problem = Diagnostic::error(Code::MISSING_KEY, format!("{} lacks `{key}`", quoted(&subject)))
                .at(around.unwrap_or(place), format!("`{key}` is missing here"));
            if let Some(what) = first_sentence(&schema["properties"][key], inner) {
                problem = problem.fact(format!("`{key}`: {what}"));
            }
            if let Some(example) = schema["examples"][0].as_object().filter(|e| e.contains_key(key)) {
                problem = problem.help(format!("for example: {}", inline(&Json::Object(example.clone()))));
            } else if let Some(example) = inner["examples"].get(0) {
                problem = problem.help(format!("for example: {key}: {}", inline(example)));
            }
            self.report(problem);
        }
    }

    fn entry(&mut self, entry: &mut Entry, schema: &'s Json) {
        let around = self.key_place.replace(entry.key_place);
        self.path.push(Step::Key(entry.key.clone()));
        // A default is taken by leaving the key out as well as by leaving its value out.
        let resolved = self.resolve(schema);
        if entry.value.value != Value::Null || schema.get("default").is_none() || resolved.get("x-family").is_some() {
            self.value(&mut entry.value, schema);
        } else {
            let subject = self.subject();
            self.report(
                Diagnostic::error(Code::WRONG_TYPE, format!("`{subject}` has no value"))
                    .at(entry.key_place, "nothing follows the colon")
                    .help(match inline(&schema["default"]) {
                        empty if empty.is_empty() => {
                            "give it a value, or remove the line: by default it is empty".to_owned()
                        }
                        default => format!("give it a value, or remove the line: its default is `{default}`"),
                    }),
            );
        }
        self.path.pop();
        self.key_place = around;
    }

    fn unknown_key(&self, entry: &Entry, properties: &Json) -> Diagnostic {
        let names: Vec<&str> = properties.as_object().into_iter().flat_map(|p| p.keys().map(String::as_str)).collect();
        let inside = self.subject();
        let problem =
            Diagnostic::error(Code::UNKNOWN_KEY, format!("unknown key `{}` in {}", entry.key, quoted(&inside)));
        let problem = problem.at(entry.key_place, "no such key here");
        if let Some((key, value)) = entry.key.split_once(':').filter(|_| entry.value.value == Value::Null) {
            return problem.help(format!("a blank is missing behind the colon: `{key}: {value}`"));
        }
        let others = |name: &str| known_as(&properties[name]);
        let called = vocabulary::called(&entry.key, names.iter().map(|name| (*name, others(name))));
        if let Some(name) = called {
            return problem.help(format!("here it is called `{name}`"));
        }
        let elsewhere = vocabulary::advice(&entry.key);
        match nearest(&entry.key, names.iter().copied()) {
            _ if elsewhere.is_some() => problem.help(elsewhere.unwrap_or_default()),
            Some(name) => problem.help(format!("did you mean `{name}`?")),
            None if names.is_empty() => problem.help(format!("{} takes no arguments", quoted(&inside))),
            None => problem.help(format!("{} takes {}", quoted(&inside), listed(&names, "and"))),
        }
    }

    fn list(&mut self, node: &mut Node, schema: &'s Json) {
        let place = self.key_place.unwrap_or(node.place);
        let around = self.key_place.take();
        let Value::List(items) = &mut node.value else { return };
        let count = items.len() as u64;
        let (min, max) = (schema["minItems"].as_u64().unwrap_or(0), schema["maxItems"].as_u64());
        if count < min || max.is_some_and(|max| count > max) {
            let expected = match max {
                Some(max) if max == min => format!("{min} items"),
                Some(max) => format!("{min} to {max} items"),
                None => format!("at least {min} {}", if min == 1 { "item" } else { "items" }),
            };
            let subject = self.subject();
            self.report(
                Diagnostic::error(
                    Code::INVALID_VALUE,
                    format!(
                        "`{subject}` has {count} {}; it takes {expected}",
                        if count == 1 { "item" } else { "items" }
                    ),
                )
                .at(place, format!("expected {expected}")),
            );
        }
        for (index, item) in items.iter_mut().enumerate() {
            self.path.push(Step::Index(index));
            self.value(item, &schema["items"]);
            self.path.pop();
        }
        self.key_place = around;
    }

    fn range(&mut self, node: &Node, schema: &Json) {
        let number = match node.value {
            Value::Int(number) => number as f64,
            Value::Float(number) => number,
            _ => return,
        };
        let outside = !number.is_finite()
            || schema["minimum"].as_f64().is_some_and(|min| number < min)
            || schema["maximum"].as_f64().is_some_and(|max| number > max)
            || schema["exclusiveMinimum"].as_f64().is_some_and(|min| number <= min)
            || schema["exclusiveMaximum"].as_f64().is_some_and(|max| number >= max);
        if outside {
            let subject = self.subject();
            let expected = match expectation(schema) {
                any if any == "a number" => "a finite number".to_owned(),
                bounded => bounded,
            };
            let value = number_text(number);
            self.report(
                Diagnostic::error(Code::INVALID_VALUE, format!("`{subject}` takes {expected}, not {value}"))
                    .at(node.place, format!("expected {expected}")),
            );
        }
    }

    fn length(&mut self, node: &Node, schema: &Json) {
        let Value::String(text) = &node.value else { return };
        let count = text.chars().count() as u64;
        let (min, max) = (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64());
        let expected = match max {
            _ if count < min => format!("at least {min} {}", if min == 1 { "character" } else { "characters" }),
            Some(max) if count > max => format!("at most {max} characters"),
            _ => return,
        };
        let subject = self.subject();
        self.report(
            Diagnostic::error(Code::INVALID_VALUE, format!("`{subject}` has {count} characters; it takes {expected}"))
                .at(node.place, format!("expected {expected}")),
        );
    }

    fn pattern(&mut self, node: &Node, schema: &Json) {
        let (Some(pattern), Value::String(text)) = (schema["pattern"].as_str(), &node.value) else { return };
        if Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text)) {
            let (subject, expected) = (self.subject(), expectation(schema));
            let problem = Diagnostic::error(Code::INVALID_VALUE, format!("`{subject}` takes {expected}, not `{text}`"))
                .at(node.place, format!("expected {expected}"));
            self.report(match vocabulary::advice(text) {
                Some(advice) => problem.help(advice),
                None => problem,
            });
        }
    }

    fn constant(&mut self, node: &mut Node, constant: &Json) {
        let same = match (&node.value, constant.as_i64()) {
            (Value::Int(number), Some(wanted)) => *number == wanted,
            (Value::Float(number), Some(wanted)) => *number == wanted as f64,
            _ => false,
        };
        if same {
            node.value = Value::Int(constant.as_i64().unwrap_or_default());
            return;
        }
        let (subject, place) = (self.subject(), self.point(node));
        let problem = Diagnostic::error(Code::INVALID_VALUE, format!("`{subject}` must be {constant}"))
            .at(place, format!("expected {constant}"));
        let wanted = constant.to_string();
        let quoted = matches!(&node.value, Value::String(text) if *text == wanted);
        self.report(if quoted { problem.help("write it without quotes") } else { problem });
    }

    fn choice(&mut self, node: &Node, choices: &[&str]) {
        let subject = self.subject();
        let expected = listed(choices, "or");
        let problem = match &node.value {
            Value::String(text) if choices.contains(&text.as_str()) => return,
            Value::String(text) => {
                let problem =
                    Diagnostic::error(Code::INVALID_VALUE, format!("`{subject}` takes {expected}, not `{text}`"))
                        .at(node.place, "no such choice");
                match nearest(text, choices.iter().copied()) {
                    Some(name) => problem.help(format!("did you mean `{name}`?")),
                    None => problem,
                }
            }
            other => Diagnostic::error(Code::WRONG_TYPE, format!("`{subject}` takes {expected}, not {}", other.kind()))
                .at(self.point(node), format!("expected {expected}")),
        };
        self.report(problem);
    }

    /// One of some whole numbers.
    fn number(&mut self, node: &Node, numbers: &[i64]) {
        let names: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let expected = listed(&names.iter().map(String::as_str).collect::<Vec<_>>(), "or");
        let (code, found) = match &node.value {
            Value::Int(number) if numbers.contains(number) => return,
            Value::Int(number) => (Code::INVALID_VALUE, number.to_string()),
            other => (Code::WRONG_TYPE, other.kind().to_owned()),
        };
        let subject = self.subject();
        self.report(
            Diagnostic::error(code, format!("`{subject}` takes {expected}, not {found}"))
                .at(self.point(node), format!("expected {expected}")),
        );
    }

    /// Alternatives of different types, such as a number or a list of two.
    fn union(&mut self, node: &mut Node, alternatives: &'s [Json]) {
        let mut nearest_miss: Option<Vec<Diagnostic>> = None;
        for alternative in alternatives {
            let mut trial = node.clone();
            let mut problems = Vec::new();
            let mut walk = Walk {
                schema: self.schema,
                path: self.path.clone(),
                key_place: self.key_place,
                via: self.via,
                problems: &mut problems,
            };
            walk.value(&mut trial, alternative);
            if problems.is_empty() {
                *node = trial;
                return;
            }
            // The alternative of the right type knows best what is wrong.
            if problems.iter().all(|p| p.code != Code::WRONG_TYPE || p.labels[0].place != self.point(node)) {
                nearest_miss = nearest_miss.or(Some(problems));
            }
        }
        let words = |alternative: &'s Json| match self.resolve(alternative) {
            family if family.get("x-family").is_some() => members(family).into_iter().map(|(name, _)| name).collect(),
            other => Vec::from_iter(other["const"].as_str()),
        };
        let has_constants = alternatives.iter().any(|a| self.resolve(a)["const"].is_string());
        let words: Vec<&str> = alternatives.iter().flat_map(words).collect();
        let text = if let Value::String(text) = &node.value { Some(text.clone()) } else { None };
        // Who writes a number out of range may not know of the word.
        let number = match node.value {
            Value::Int(number) if has_constants => Some(number.to_string()),
            Value::Float(number) if has_constants => Some(number_text(number)),
            _ => None,
        };
        match (nearest_miss, text) {
            (Some(problems), None) if number.is_none() => self.problems.extend(problems),
            (Some(problems), Some(_)) if !has_constants => self.problems.extend(problems),
            (miss, text) => {
                let subject = self.subject();
                let all: Vec<String> = alternatives.iter().map(|a| expectation(self.resolve(a))).collect();
                let expected = all.join(" or ");
                let (code, found) = match (miss.and(number), text.as_deref()) {
                    (Some(number), _) => (Code::INVALID_VALUE, number),
                    (None, Some(text)) => (Code::WRONG_TYPE, format!("`{text}`")),
                    (None, None) => (Code::WRONG_TYPE, node.value.kind().to_owned()),
                };
                let mut problem = Diagnostic::error(code, format!("`{subject}` takes {expected}, not {found}"))
                    .at(self.point(node), format!("expected {expected}"));
                if let Some(name) = text.as_deref().and_then(|text| nearest(text, words)) {
                    problem = problem.help(format!("did you mean `{name}`?"));
                }
                self.report(problem);
            }
        }
    }

    /// An item of a family: `flatten`, `batch: 256`, `conv2d: {filters: 32}`.
    fn item(&mut self, node: &mut Node, schema: &'s Json, kind: &str) {
        let members = members(schema);
        let place = node.place;
        let (name, name_place, arguments) = match &mut node.value {
            Value::String(name) => (name.clone(), place, Node::new(place, Value::Null)),
            Value::Map(entries) if entries.len() == 1 => {
                let entry = &entries[0];
                (entry.key.clone(), entry.key_place, entry.value.clone())
            }
            Value::Map(entries) if entries.len() > 1 => {
                let in_list = matches!(self.path.last(), Some(Step::Index(_)));
                let problem = self.not_an_item(entries, &members, kind, in_list);
                return self.report(problem);
            }
            other => {
                let found = if matches!(other, Value::Map(_)) { "an empty mapping" } else { other.kind() };
                let kind = spoken(kind);
                let problem =
                    Diagnostic::error(Code::NOT_AN_ITEM, format!("{found} where {} was expected", article(kind)))
                        .at(self.point(node), format!("expected the name of {}", article(kind)))
                        .help(one_of(kind, &members));
                return self.report(problem);
            }
        };
        let Some((_, definition)) = members.iter().find(|(member, _)| *member == name) else {
            let problem = self.unknown_member(&name, name_place, &members, kind);
            return self.report(problem);
        };
        let definition = self.resolve(definition);
        let mut arguments = arguments;
        let bare = definition["x-bare"].as_str();
        self.path.push(Step::Key(name.clone()));
        arguments.value = match (arguments.value, bare) {
            (Value::Null, _) => Value::Map(Vec::new()),
            (map @ Value::Map(_), _) => map,
            (value, Some(argument)) => Value::Map(vec![Entry {
                key: argument.to_owned(),
                key_place: arguments.place,
                value: Node::new(arguments.place, value),
            }]),
            (value, None) => {
                // A name alone is no argument to speak of.
                let takes = definition["properties"].as_object().filter(|p| p.keys().any(|key| key != "name"));
                let problem = Diagnostic::error(
                    Code::WRONG_TYPE,
                    match takes {
                        Some(_) => format!("`{name}` takes named arguments, not {}", value.kind()),
                        None => format!("`{name}` takes no value"),
                    },
                )
                .at(arguments.place, "not expected here")
                .help(match takes {
                    Some(p) => {
                        let names: Vec<&str> = p.keys().map(String::as_str).collect();
                        format!("write `{name}: {{...}}` with {}", listed(&names, "and"))
                    }
                    None => format!("write `{name}` alone"),
                });
                self.path.pop();
                return self.report(problem);
            }
        };
        let around = self.key_place.replace(name_place);
        self.value(&mut arguments, definition);
        self.key_place = around;
        self.path.pop();
        node.value = Value::Map(vec![Entry { key: name, key_place: name_place, value: arguments }]);
    }

    /// Several keys where one member of a family should stand.
    fn not_an_item(&self, entries: &[Entry], members: &[(&str, &Json)], kind: &str, in_list: bool) -> Diagnostic {
        let kind = spoken(kind);
        let definition = |entry: &Entry| members.iter().find(|(name, _)| *name == entry.key).map(|(_, inner)| *inner);
        let foreign = entries.iter().find(|entry| definition(entry).is_none());
        let known: Vec<&Entry> = entries.iter().filter(|entry| definition(entry).is_some()).collect();
        let problem = Diagnostic::error(Code::NOT_AN_ITEM, format!("{} keys in one {kind}", entries.len()));
        let ([member], Some(other)) = (known.as_slice(), foreign) else {
            let problem = problem.at(entries[1].key_place, "the second key").at(entries[0].key_place, "the first key");
            return problem.help(match in_list {
                true => format!("each {kind} is an item of its own, with a `-` before it"),
                false => format!("one {kind} stands here: remove the others"),
            });
        };
        let (name, key) = (&member.key, &other.key);
        let problem = problem.at(other.key_place, format!("not inside `{name}`"));
        let arguments = &self.resolve(definition(member).unwrap_or(&Json::Null))["properties"];
        match (&member.value.value, arguments.get(key)) {
            // conv2d:      the arguments stand as deep as the name
            // filters: 32
            (Value::Null | Value::Map(_), Some(_)) => {
                problem.help(format!("indent the arguments deeper than `{name}`, or write `{name}: {{{key}: ...}}`"))
            }
            (_, Some(_)) => problem.help(format!("arguments stand together: `{name}: {{{key}: ..., ...}}`")),
            (_, None) => match vocabulary::advice(key) {
                Some(advice) => problem.help(advice),
                None if in_list => problem.help(format!("each {kind} is an item of its own, with a `-` before it")),
                None => problem.help(format!("one {kind} stands here: remove `{key}`")),
            },
        }
    }

    fn unknown_member(&self, name: &str, place: Place, members: &[(&str, &Json)], kind: &str) -> Diagnostic {
        let code = Code::named(&format!("unknown-{kind}")).expect("every family has a code");
        let kind = spoken(kind);
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        let problem =
            Diagnostic::error(code, format!("unknown {kind} `{name}`")).at(place, format!("not {}", article(kind)));
        if name.contains(" - ") {
            return problem.help("a `-` within a name: begin each item in the same column as the one above it");
        }
        if let Some((name, value)) = name.split_once(':') {
            return problem.help(format!("a blank is missing behind the colon: `{name}: {value}`"));
        }
        let definitions = members.iter().map(|(name, definition)| (*name, self.resolve(definition)));
        let candidates = definitions.clone().map(|(name, definition)| (name, known_as(definition)));
        if let Some(name) = vocabulary::called(name, candidates) {
            return problem.help(format!("here it is called `{name}`"));
        }
        // `ReLU` as a layer: a word that is the bare value of another one.
        for (member, definition) in definitions {
            let bare = definition["x-bare"].as_str().map(|bare| self.resolve(&definition["properties"][bare]));
            let words = bare.and_then(|bare| bare["oneOf"].as_array()).and_then(|words| choices(words));
            let word = vocabulary::called(name, words.into_iter().flatten().map(|word| (word, Vec::new())));
            if let Some(word) = word {
                return problem.help(format!("write `{member}: {word}`"));
            }
        }
        match nearest(name, names.iter().copied()) {
            Some(name) => problem.help(format!("did you mean `{name}`?")),
            None => {
                let problem = problem.help(one_of(kind, members));
                match vocabulary::advice(name) {
                    Some(advice) => problem.help(advice),
                    None => problem,
                }
            }
        }
    }
}

/// What other frameworks call what `schema` describes.
fn known_as(schema: &Json) -> Vec<&str> {
    schema["x-known-as"].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

/// What a message calls a family.
fn spoken(family: &str) -> &str {
    if family == "evaluation" { "evaluation step" } else { family }
}

/// The members of a family as a help lists them.
fn one_of(kind: &str, members: &[(&str, &Json)]) -> String {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    match names.as_slice() {
        [only] => format!("the only {kind} is `{only}`"),
        _ => format!("{} is one of {}", article(kind), listed(&names, "or")),
    }
}

/// A number as YAML writes it.
fn number_text(number: f64) -> String {
    match number {
        n if n.is_nan() => "`.nan`".to_owned(),
        n if n.is_infinite() => if n > 0.0 { "`.inf`" } else { "`-.inf`" }.to_owned(),
        n if n.abs() >= 1e16 => format!("{n:e}"),
        n => n.to_string(),
    }
}

/// What to write instead of text that looks like a number.
fn number_advice(text: &str) -> Option<String> {
    let share = text.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
    if let Some(percent) = share {
        return Some(format!("write `{}`", percent / 100.0));
    }
    if text.parse::<f64>().is_ok() {
        return Some(format!("in quotes it is text: write `{text}` without quotes"));
    }
    let (above, below) = text.split_once('/')?;
    let divides = above.trim().parse::<f64>().is_ok() && below.trim().parse::<f64>() == Ok(0.0);
    divides.then(|| "this divides by zero".to_owned())
}

/// Follows references within `root`.
pub fn resolve<'s>(root: &'s Json, mut schema: &'s Json) -> &'s Json {
    while let Some(pointer) = schema["$ref"].as_str() {
        schema = root.pointer(pointer.trim_start_matches('#')).unwrap_or(&Json::Null);
    }
    schema
}

/// The members of a family: name and schema of the arguments.
pub fn members(family: &Json) -> Vec<(&str, &Json)> {
    let alternatives = family["oneOf"].as_array().into_iter().flatten();
    alternatives
        .filter_map(|alternative| alternative["properties"].as_object()?.iter().next())
        .map(|(name, definition)| (name.as_str(), definition))
        .collect()
}

/// The words, where every alternative is a fixed word.
fn choices(alternatives: &[Json]) -> Option<Vec<&str>> {
    alternatives.iter().map(|alternative| alternative["const"].as_str()).collect()
}

fn types(schema: &Json) -> Vec<&str> {
    match &schema["type"] {
        Json::String(name) => vec![name],
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What a value must be, in words: 'a whole number of at least 1'.
pub fn expectation(schema: &Json) -> String {
    if let Some(words) = schema["x-expected"].as_str() {
        return words.to_owned();
    }
    if let Some(constant) = schema.get("const") {
        return format!("`{}`", inline(constant));
    }
    if schema.get("x-family").is_some() {
        let names: Vec<&str> = members(schema).into_iter().map(|(name, _)| name).collect();
        return listed(&names, "or");
    }
    let kind = match types(schema).first() {
        Some(&"integer") => "a whole number",
        Some(&"number") => "a number",
        Some(&"string") => "text",
        Some(&"boolean") => "`true` or `false`",
        Some(&"array") => "a list",
        Some(&"object") => "a mapping",
        _ => "another value",
    };
    if types(schema).first() == Some(&"array")
        && let (Some(min), Some(max)) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64())
        && min == max
    {
        return format!("a list of {min}");
    }
    let bound = |key: &str| schema[key].as_f64();
    let low = bound("minimum").map(|x| format!("at least {x}"));
    let low = low.or_else(|| bound("exclusiveMinimum").map(|x| format!("more than {x}")));
    let high = bound("maximum").map(|x| format!("at most {x}"));
    let high = high.or_else(|| bound("exclusiveMaximum").map(|x| format!("less than {x}")));
    match (low, high) {
        (Some(_), Some(_)) if bound("minimum").is_some() && bound("maximum").is_some() => {
            format!("{kind} from {} to {}", bound("minimum").unwrap_or(0.0), bound("maximum").unwrap_or(0.0))
        }
        (Some(low), Some(high)) => format!("{kind} of {low} and {high}"),
        (Some(bound), None) | (None, Some(bound)) => format!("{kind} of {bound}"),
        (None, None) => kind.to_owned(),
    }
}

/// `1/255` and the like.
fn fraction(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let number = |s: &str| {
        let s = s.trim();
        s.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)).then(|| s.parse::<f64>().ok()).flatten()
    };
    let (above, below) = (number(above)?, number(below)?);
    (below != 0.0).then_some(above / below)
}

fn first_sentence(property: &Json, resolved: &Json) -> Option<String> {
    let text = property["description"].as_str().or_else(|| resolved["description"].as_str())?;
    let end = text.find(". ").unwrap_or(text.trim_end_matches('.').len());
    Some(text[..end].replace('\n', " "))
}

/// A value as one would write it within a line of YAML.
pub fn inline(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", inline(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(subject: &str) -> String {
    if subject.starts_with("the ") { subject.to_owned() } else { format!("`{subject}`") }
}

fn article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// `a`, `b` or `c`.
pub fn listed(names: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} {conjunction} {last}", rest.join(", ")),
    }
}
