//! What differs between two resolved pipelines, by meaning.
//!
//! Both are compared as JSON, with every default written out and in full form, so neither sugar nor the order of keys
//! matters. Items of a list are aligned: first those that are equal, by a longest common subsequence; then, in the
//! stretches between, those of the same name, which are compared inside. The schema ([`super::schema::full`]) says which
//! values are items of a family, and lets them be shown as short as one would write them.

use super::tree::{Step, display_path};
use serde_json::{Map, Value as Json};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Another value.
    Changed(Side, Side),
    /// Only in the new pipeline.
    Added(Side),
    /// Only in the old pipeline.
    Removed(Side),
}

/// A value of one of the two pipelines.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Where it stands. Behind added and removed items, the two pipelines count differently.
    pub path: Vec<Step>,
    /// The value, in full form.
    pub value: Json,
    /// The value as one would write it within a line.
    pub text: String,
}

impl Difference {
    /// The value in the old pipeline.
    pub fn before(&self) -> Option<&Side> {
        match self {
            Difference::Changed(old, _) | Difference::Removed(old) => Some(old),
            Difference::Added(_) => None,
        }
    }

    /// The value in the new pipeline.
    pub fn after(&self) -> Option<&Side> {
        match self {
            Difference::Changed(_, new) | Difference::Added(new) => Some(new),
            Difference::Removed(_) => None,
        }
    }

    /// Where it is, as `--set` writes it: in the old pipeline, or in the new one where it is added.
    pub fn path(&self) -> &[Step] {
        match self {
            Difference::Changed(side, _) | Difference::Removed(side) | Difference::Added(side) => &side.path,
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = display_path(self.path());
        match self {
            Difference::Changed(old, new) => write!(f, "{path}: {} -> {}", old.text, new.text),
            Difference::Added(new) => write!(f, "+ {path}: {}", new.text),
            Difference::Removed(old) => write!(f, "- {path}: {}", old.text),
        }
    }
}

/// All differences between `old` and `new`, whose values `schema` describes; what is only said about a pipeline, its
/// name and its description, comes last.
pub fn differences(old: &Json, new: &Json, schema: &Json) -> Vec<Difference> {
    let mut walk =
        Walk { language: Language { root: schema }, old_path: Vec::new(), new_path: Vec::new(), found: Vec::new() };
    walk.compare(old, new, schema);
    let about = |found: &Difference| matches!(found.path(), [Step::Key(key)] if key == "name" || key == "description");
    walk.found.sort_by_key(about);
    walk.found
}

struct Walk<'s> {
    language: Language<'s>,
    old_path: Vec<Step>,
    new_path: Vec<Step>,
    found: Vec<Difference>,
}

impl<'s> Walk<'s> {
    fn compare(&mut self, old: &Json, new: &Json, schema: &'s Json) {
        if old == new {
            return;
        }
        match (old, new) {
            (Json::Object(old_map), Json::Object(new_map))
                if !self.language.is_family(schema, old) || item_name(old) == item_name(new) =>
            {
                let language = self.language;
                self.compare_maps(old_map, new_map, |key| language.inner(schema, old, key));
            }
            (Json::Array(old_items), Json::Array(new_items)) if has_items(old_items) || has_items(new_items) => {
                self.compare_lists(old_items, new_items, &self.language.fitting(schema, old)["items"]);
            }
            _ => {
                let old = self.side(&self.old_path, old, schema);
                let new = self.side(&self.new_path, new, schema);
                self.found.push(Difference::Changed(old, new));
            }
        }
    }

    fn compare_maps(&mut self, old: &Map<String, Json>, new: &Map<String, Json>, schema_of: impl Fn(&str) -> &'s Json) {
        let only_new = new.keys().filter(|key| !old.contains_key(*key));
        for key in old.keys().chain(only_new) {
            let schema = schema_of(key);
            self.enter(Step::Key(key.clone()), Step::Key(key.clone()), |walk| match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => walk.compare(old, new, schema),
                (Some(old), None) => walk.remove(old, schema),
                (None, Some(new)) => walk.add(new, schema),
                (None, None) => {}
            });
        }
    }

    fn compare_lists(&mut self, old: &[Json], new: &[Json], schema: &'s Json) {
        let equal = common(old.len(), new.len(), |i, j| old[i] == new[j]);
        let (mut i, mut j) = (0, 0);
        for (old_end, new_end) in equal.into_iter().chain([(old.len(), new.len())]) {
            self.compare_stretches((i, &old[i..old_end]), (j, &new[j..new_end]), schema);
            (i, j) = (old_end + 1, new_end + 1);
        }
    }

    /// A stretch of a list that was replaced by another one, each with the index of its first item.
    fn compare_stretches(
        &mut self,
        (old_start, old): (usize, &[Json]),
        (new_start, new): (usize, &[Json]),
        schema: &'s Json,
    ) {
        let same_name = |i: usize, j: usize| item_name(&old[i]).is_some_and(|name| Some(name) == item_name(&new[j]));
        let pairs = common(old.len(), new.len(), same_name);
        let (mut i, mut j) = (0, 0);
        for (old_end, new_end) in pairs.into_iter().chain([(old.len(), new.len())]) {
            for item in &old[i..old_end] {
                self.enter(Step::Index(old_start + i), Step::Index(new_start + j), |walk| walk.remove(item, schema));
                i += 1;
            }
            for item in &new[j..new_end] {
                self.enter(Step::Index(old_start + i), Step::Index(new_start + j), |walk| walk.add(item, schema));
                j += 1;
            }
            if let (Some(old), Some(new)) = (old.get(i), new.get(j)) {
                self.enter(Step::Index(old_start + i), Step::Index(new_start + j), |w| w.compare(old, new, schema));
            }
            (i, j) = (i + 1, j + 1);
        }
    }

    fn enter(&mut self, old: Step, new: Step, inside: impl FnOnce(&mut Self)) {
        self.old_path.push(old);
        self.new_path.push(new);
        inside(self);
        self.old_path.pop();
        self.new_path.pop();
    }

    fn remove(&mut self, old: &Json, schema: &'s Json) {
        self.found.push(Difference::Removed(self.side(&self.old_path, old, schema)));
    }

    fn add(&mut self, new: &Json, schema: &'s Json) {
        self.found.push(Difference::Added(self.side(&self.new_path, new, schema)));
    }

    fn side(&self, path: &[Step], value: &Json, schema: &'s Json) -> Side {
        let is_item = matches!(path.last(), Some(Step::Index(_)));
        let text = match self.language.item(value, schema) {
            // Behind the `-` of a list, an item needs no braces.
            Some((text, _)) if is_item => text,
            _ => self.language.shown(value, schema),
        };
        Side { path: path.to_vec(), value: value.clone(), text }
    }
}

/// What the schema says of values.
#[derive(Clone, Copy)]
struct Language<'s> {
    root: &'s Json,
}

impl<'s> Language<'s> {
    /// The schema that describes `value`: references followed, and of alternatives the one that fits.
    fn fitting(self, mut schema: &'s Json, value: &Json) -> &'s Json {
        loop {
            if let Some(pointer) = schema["$ref"].as_str() {
                schema = self.root.pointer(pointer.trim_start_matches('#')).unwrap_or(&Json::Null);
            } else if schema.get("x-family").is_none()
                && let Some(alternatives) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array())
            {
                let fits = |alternative: &&Json| match (value, self.fitting(alternative, value)) {
                    (Json::Object(_), fitting) if fitting.get("x-family").is_some() => {
                        item_name(value).is_some_and(|name| !member(fitting, name).is_null())
                    }
                    (Json::Object(_), fitting) => fitting["properties"].is_object(),
                    (Json::Array(_), fitting) => !fitting["items"].is_null(),
                    _ => false,
                };
                schema = alternatives.iter().find(fits).unwrap_or(&Json::Null);
            } else {
                return schema;
            }
        }
    }

    fn is_family(self, schema: &'s Json, value: &Json) -> bool {
        self.fitting(schema, value).get("x-family").is_some()
    }

    /// The schema of what `key` holds in `value`.
    fn inner(self, schema: &'s Json, value: &Json, key: &str) -> &'s Json {
        let schema = self.fitting(schema, value);
        if schema.get("x-family").is_some() {
            return member(schema, key);
        }
        schema["properties"].get(key).unwrap_or(&schema["additionalProperties"])
    }

    /// An item of a family, as a line of a list holds it: `flatten`, `dropout: 0.2`, `conv2d: {...}`; and whether it is
    /// more than a name.
    fn item(self, value: &Json, schema: &'s Json) -> Option<(String, bool)> {
        let family = self.fitting(schema, value);
        family.get("x-family")?;
        let name = item_name(value)?;
        let arguments = value[name].as_object()?;
        let definition = self.fitting(member(family, name), &value[name]);
        let schema_of = |key: &str| &definition["properties"][key];
        let given: Vec<(&String, &Json)> =
            arguments.iter().filter(|(key, value)| schema_of(key).get("default") != Some(value)).collect();
        Some(match given.as_slice() {
            [] => (name.to_owned(), false),
            [(key, value)] if definition["x-bare"] == **key && !value.is_object() => {
                (format!("{name}: {}", self.shown(value, schema_of(key))), true)
            }
            given => {
                let given = given.iter().map(|(key, value)| format!("{key}: {}", self.shown(value, schema_of(key))));
                (format!("{name}: {{{}}}", given.collect::<Vec<_>>().join(", ")), true)
            }
        })
    }

    /// A value as one would write it behind a key.
    fn shown(self, value: &Json, schema: &'s Json) -> String {
        match (self.item(value, schema), value) {
            (Some((text, true)), _) => format!("{{{text}}}"),
            (Some((text, false)), _) => text,
            (None, Json::Object(map)) => {
                let fitting = self.fitting(schema, value);
                let schema_of = |key: &str| fitting["properties"].get(key).unwrap_or(&fitting["additionalProperties"]);
                let entries = map.iter().map(|(key, value)| {
                    format!("{}: {}", scalar(&Json::String(key.clone())), self.shown(value, schema_of(key)))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            (None, Json::Array(items)) => {
                let schema = &self.fitting(schema, value)["items"];
                let items = items.iter().map(|item| self.shown(item, schema));
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            (None, value) => scalar(value),
        }
    }
}

/// The arguments of the member `name` of a family.
fn member<'s>(family: &'s Json, name: &str) -> &'s Json {
    let alternatives = family["oneOf"].as_array().into_iter().flatten();
    alternatives.map(|alternative| &alternative["properties"][name]).find(|m| !m.is_null()).unwrap_or(&Json::Null)
}

/// The one key of an item.
fn item_name(value: &Json) -> Option<&str> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.keys().next().map(String::as_str)
}

/// Whether a list holds more than plain values: `[3, 3]` is one value, a list of layers is not.
fn has_items(list: &[Json]) -> bool {
    list.iter().any(|item| item.is_object() || item.as_array().is_some_and(|inner| has_items(inner)))
}

/// Lists whose lengths multiply to more than this are compared only from both ends.
const MAX_PAIRS: usize = 4_000_000;

/// A longest common subsequence of two lists, as pairs of indices that ascend.
fn common(old: usize, new: usize, same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let shorter = old.min(new);
    let head = (0..shorter).take_while(|&i| same(i, i)).count();
    let tail = (0..shorter - head).take_while(|&i| same(old - 1 - i, new - 1 - i)).count();
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|i| (i, i)).collect();
    let (rows, columns) = (old - head - tail, new - head - tail);
    if rows.saturating_mul(columns) <= MAX_PAIRS {
        // length[i][j] is that of the rests from i and from j on.
        let mut length = vec![vec![0_u32; columns + 1]; rows + 1];
        for i in (0..rows).rev() {
            for j in (0..columns).rev() {
                length[i][j] = if same(head + i, head + j) {
                    length[i + 1][j + 1] + 1
                } else {
                    length[i + 1][j].max(length[i][j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < rows && j < columns {
            if same(head + i, head + j) {
                pairs.push((head + i, head + j));
                (i, j) = (i + 1, j + 1);
            } else if length[i + 1][j] >= length[i][j + 1] {
                i += 1;
            } else {
                j += 1;
            }
        }
    }
    pairs.extend((0..tail).rev().map(|i| (old - 1 - i, new - 1 - i)));
    pairs
}

/// The longest text that is shown, in characters.
const MAX_SHOWN: usize = 100;

/// A plain value as YAML reads it back, but for a long text, which is cut.
fn scalar(value: &Json) -> String {
    let Json::String(text) = value else { return value.to_string() };
    let plain = text.starts_with(|c: char| c.is_alphabetic())
        && text.chars().all(|c| c.is_alphanumeric() || " ._-/+".contains(c))
        && !text.ends_with(' ')
        && !matches!(text.to_lowercase().as_str(), "true" | "false" | "null");
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    if plain { shown } else { quoted(&shown) }
}

/// In double quotes; what a terminal would obey is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                quoted.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{load, schema};
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    /// A pipeline with these layers and lines at its end, resolved.
    fn resolved(layers: &str, more: &str) -> Json {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mine.yaml");
        let content = format!(
            "version: 1\ndataset: {{source: digits, train: [{{batch: 32}}]}}\nmodel: {{layers: [{layers}]}}\n\
             training: {{loss: sparse_categorical_crossentropy, epochs: 2}}\n{more}"
        );
        std::fs::write(&file, content).unwrap();
        let loaded = load(&file, &[]);
        serde_json::to_value(loaded.pipeline.unwrap_or_else(|| panic!("{:?}", loaded.problems)).pipeline).unwrap()
    }

    fn lines(old: &Json, new: &Json) -> Vec<String> {
        differences(old, new, schema::full()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn items_are_aligned() {
        let before = "rescaling: 1/255, conv2d: {filters: 32, kernel_size: 3}, max_pooling2d, flatten, dense: 10";
        let conv = |filters: usize| format!("{{conv2d: {{filters: {filters}, kernel_size: 3}}}}");
        let before = before
            .replace("rescaling: 1/255", "{rescaling: 1/255}")
            .replace("conv2d: {filters: 32, kernel_size: 3}", &conv(32))
            .replace("dense: 10", "{dense: 10}");
        let old = resolved(&before, "");
        let cases: [(&str, String, &[&str]); 6] = [
            ("inserted", before.replace("flatten", "{dropout: 0.3}, flatten"), &["+ model.layers[3]: dropout: 0.3"]),
            ("removed", before.replace(" max_pooling2d,", ""), &["- model.layers[2]: max_pooling2d"]),
            ("changed inside", before.replace(&conv(32), &conv(64)), &["model.layers[1].conv2d.filters: 32 -> 64"]),
            (
                "a list of numbers is one value",
                before.replace("kernel_size: 3", "kernel_size: [3, 5]"),
                &["model.layers[1].conv2d.kernel_size: [3, 3] -> [3, 5]"],
            ),
            (
                "replaced, and changed behind it",
                before
                    .replace("max_pooling2d", "{dropout: 0.5}, flatten")
                    .replace(" flatten, {dense", "{dense: 11}, {dense"),
                &[
                    "- model.layers[2]: max_pooling2d",
                    "+ model.layers[2]: dropout: 0.5",
                    "+ model.layers[4]: dense: 11",
                ],
            ),
            (
                "inserted before one that changed",
                before.replace(&conv(32), &format!("{{dropout: 0.1}}, {}", conv(8))),
                &["+ model.layers[1]: dropout: 0.1", "model.layers[1].conv2d.filters: 32 -> 8"],
            ),
        ];
        for (name, after, want) in cases {
            assert_eq!(lines(&old, &resolved(&after, "")), want, "{name}");
        }
    }

    #[test]
    fn values_are_shown_as_one_would_write_them() {
        let old = resolved("flatten, {dense: 10}", "description: A net.\nseed: 1\n");
        let mut new = old.clone();
        new["description"] = json!("A \u{1b}[31m net: better");
        new["training"]["optimizer"]["adam"]["learning_rate"] = json!(1e-5);
        new["dataset"]["validation"] = json!({ "split": { "share": 0.1, "seed": 0 } });
        new["dataset"]["source"] = json!({ "image_folder": { "train": "a b", "test": "c: d", "image_size": [256, 256], "color_mode": "rgb" } });
        new["evaluation"] = json!([]);
        new["expect"] = json!({ "test_accuracy": { "min": 0.5 } });
        new["allow"] = json!(["unscaled-input"]);
        assert_eq!(
            lines(&old, &new),
            [
                "dataset.source: digits -> {image_folder: {train: a b, test: \"c: d\"}}",
                "dataset.validation: none -> {split: 0.1}",
                "allow: [] -> [unscaled-input]",
                "training.optimizer.adam.learning_rate: 0.001 -> 0.00001",
                "- evaluation[0]: metrics",
                "- evaluation[1]: classification_report",
                "- evaluation[2]: confusion_matrix",
                "- evaluation[3]: worst_mistakes",
                "- evaluation[4]: calibration",
                "+ expect.test_accuracy: {min: 0.5}",
                "description: A net. -> \"A \\u001b[31m net: better\"",
            ]
        );
    }

    #[test]
    fn lists_too_long_to_align_are_compared_from_both_ends() {
        let list = |middle: i64| {
            let mut items: Vec<Json> = (0..3000).map(|i| json!({ "a": i })).collect();
            items[1500] = json!({ "b": middle });
            items.extend((0..3000).map(|i| json!({ "c": middle * 10_000 + i })));
            json!(items)
        };
        assert_eq!(differences(&list(1), &list(2), &Json::Null).len(), 3001);
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            ".{0,8}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Json::from),
                vec(("[a-d]", inner), 0..4).prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// The same with every map's keys in reverse.
    fn reversed(value: &Json) -> Json {
        match value {
            Json::Object(map) => Json::Object(map.iter().rev().map(|(k, v)| (k.clone(), reversed(v))).collect()),
            Json::Array(items) => items.iter().map(reversed).collect(),
            other => other.clone(),
        }
    }

    fn layers() -> impl Strategy<Value = Vec<Json>> {
        let layer = prop_oneof![
            Just(json!({ "flatten": {} })),
            (1..4).prop_map(|units| json!({ "dense": { "units": units } })),
            (1..4).prop_map(|filters| json!({ "conv2d": { "filters": filters } })),
        ];
        vec(layer, 0..9)
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself_in_whatever_order(value in any_json()) {
            prop_assert_eq!(differences(&value, &value, &Json::Null), []);
            prop_assert_eq!(differences(&value, &reversed(&value), &Json::Null), []);
        }

        #[test]
        fn whatever_differs_is_found(old in any_json(), new in any_json()) {
            prop_assert_eq!(differences(&old, &new, &Json::Null).is_empty(), old == new);
        }

        #[test]
        fn a_list_with_its_differences_is_the_other_list(old in layers(), new in layers()) {
            let whole = |layers: &[Json]| json!({ "model": { "layers": layers } });
            let mut left: Vec<Option<Json>> = old.iter().cloned().map(Some).collect();
            let mut added = std::collections::BTreeMap::new();
            for found in differences(&whole(&old), &whole(&new), schema::full()) {
                let index = |side: &Side| match side.path[2] { Step::Index(i) => i, Step::Key(_) => unreachable!() };
                match &found {
                    Difference::Removed(old) => left[index(old)] = None,
                    Difference::Added(new) => { added.insert(index(new), new.value.clone()); }
                    Difference::Changed(old, new) => {
                        let Some(Json::Object(item)) = &mut left[index(old)] else { unreachable!() };
                        let arguments = item.values_mut().next().unwrap();
                        let [.., Step::Key(key)] = new.path.as_slice() else { unreachable!() };
                        prop_assert_eq!(&arguments[key], &old.value);
                        arguments[key] = new.value.clone();
                    }
                }
            }
            let mut result: Vec<Json> = left.into_iter().flatten().collect();
            for (index, item) in added {
                result.insert(index, item);
            }
            prop_assert_eq!(result, new);
        }
    }
}
