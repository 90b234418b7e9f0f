//! The resolved pipeline line by line, with where each value comes from.

use super::{Pipeline, load::Sound, tree::Node};
use crate::{
    diagnostic::{Place, SourceMap},
    run::ConfigurationLine,
};
use serde_json::Value as Json;

/// Where a value was written: the name of the file or flag, and the line.
pub fn origin(sources: &SourceMap, place: Place) -> (String, usize) {
    (sources.text(place.text).name.clone(), sources.line(place))
}

/// The resolved pipeline as YAML; of each value that isn't a default, where it was written.
pub fn resolved_lines(sources: &SourceMap, sound: &Sound) -> Vec<ConfigurationLine> {
    let json = serde_json::to_value(&sound.pipeline).expect("a pipeline is plain data");
    let mut writer = Writer { sources, sound, root: sound.tree.place, whole: &json, lines: Vec::new() };
    writer.mapping_or_list(&json, Some(&sound.tree), &mut Vec::new(), 0);
    writer.lines
}

/// Writes YAML and knows where values were written.
struct Writer<'a> {
    sources: &'a SourceMap,
    sound: &'a Sound,
    /// What stands for a value that was not written: the place of the whole pipeline.
    root: Place,
    whole: &'a Json,
    lines: Vec<ConfigurationLine>,
}

/// The way to a value, as JSON pointers have it.
type Pointer = Vec<String>;

impl Writer<'_> {
    fn mapping_or_list(&mut self, json: &Json, node: Option<&Node>, at: &mut Pointer, indent: usize) {
        match json {
            Json::Object(map) => {
                for (key, value) in map {
                    let child = node.and_then(|node| node.get(key));
                    at.push(key.clone());
                    self.entry(&format!("{:indent$}{key}:", ""), value, child, at, indent + 2);
                    at.pop();
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let child = node.and_then(|node| node.step(&index.into()));
                    let dash = format!("{:indent$}-", "");
                    at.push(index.to_string());
                    match item.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next()) {
                        // A member without arguments is a bare name.
                        Some((name, Json::Object(arguments))) if arguments.is_empty() => {
                            self.line(format!("{dash} {name}"), child, at);
                        }
                        Some((name, arguments)) => {
                            let child = child.and_then(|child| child.get(name));
                            at.push(name.clone());
                            self.entry(&format!("{dash} {name}:"), arguments, child, at, indent + 4);
                            at.pop();
                        }
                        None => self.entry(&dash, item, child, at, indent + 2),
                    }
                    at.pop();
                }
            }
            _ => {}
        }
    }

    fn entry(&mut self, head: &str, value: &Json, node: Option<&Node>, at: &mut Pointer, indent: usize) {
        let is_scalar = |value: &Json| !value.is_object() && !value.is_array();
        let inline = match value {
            Json::Object(map) => map.is_empty().then(|| "{}".to_owned()),
            Json::Array(items) if items.iter().all(is_scalar) => {
                Some(format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")))
            }
            Json::Array(_) => None,
            value => Some(scalar(value)),
        };
        let Some(text) = inline else {
            let first = self.lines.len();
            self.lines.push(ConfigurationLine { text: head.to_owned(), origin: None, differs: false });
            self.mapping_or_list(value, node, at, indent);
            // Where all within it are defaults, it is the item itself that was written.
            if self.lines[first..].iter().all(|line| line.origin.is_none()) {
                self.lines[first].origin = self.written(node);
                self.lines[first].differs = self.lines[first].origin.is_some() && !self.is_default(at);
            }
            return;
        };
        self.line(format!("{head} {text}"), node, at);
    }

    fn line(&mut self, text: String, node: Option<&Node>, at: &Pointer) {
        let origin = self.written(node);
        let differs = origin.is_some() && !self.is_default(at);
        self.lines.push(ConfigurationLine { text, origin, differs });
    }

    /// Where a value was written, where it isn't a default.
    fn written(&self, node: Option<&Node>) -> Option<String> {
        let place = node?.place;
        let (name, line) = origin(self.sources, place);
        let own = place.text == self.root.text;
        (place != self.root).then(|| match name.starts_with("--") {
            true => format!("{name} {}", self.sources.text(place.text).content),
            false if own => format!("line {line}"),
            false => format!("{name}:{line}"),
        })
    }

    /// Whether the pipeline would be the same without the value.
    fn is_default(&self, at: &Pointer) -> bool {
        let Some((key, around)) = at.split_last() else { return false };
        let mut without = self.whole.clone();
        let mut here = Some(&mut without);
        for step in around {
            here = here.and_then(|json| match json {
                Json::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
                json => json.get_mut(step),
            });
        }
        // An item of a list is there because it was written.
        here.and_then(Json::as_object_mut).is_some_and(|map| map.remove(key).is_some())
            && serde_json::from_value::<Pipeline>(without).is_ok_and(|pipeline| pipeline == self.sound.pipeline)
    }
}

/// A scalar in YAML; text that could be taken for something else stands in quotes.
pub(super) fn scalar(value: &Json) -> String {
    let Json::String(text) = value else { return value.to_string() };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let is_other = ["true", "false", "null"].contains(&text.to_lowercase().as_str());
    if is_word && !is_other { text.clone() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load;

    #[test]
    fn what_was_written_is_told_apart_from_what_differs() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.yaml");
        let text = "version: 1\nseed: 0\ndataset:\n  source: digits\n  train: [shuffle, {batch: 32}]\nmodel:\n  layers: [flatten, \
                    {dense: {units: 10, use_bias: true}}]\ntraining:\n  loss: sparse_categorical_crossentropy\n  epochs: 3\n";
        std::fs::write(&file, text).unwrap();
        let loaded = load(&file, &["training.epochs=5".to_owned()]);
        let lines = resolved_lines(&loaded.sources, &loaded.pipeline.unwrap());
        let line = |text: &str| {
            let found = lines.iter().find(|line| line.text.trim() == text).unwrap_or_else(|| panic!("no {text}"));
            (found.origin.as_deref(), found.differs)
        };
        assert_eq!(line("seed: 0"), (Some("line 2"), false));
        assert_eq!(line("units: 10"), (Some("line 7"), true));
        assert_eq!(line("use_bias: true"), (Some("line 7"), false));
        assert_eq!(line("epochs: 5"), (Some("--set training.epochs=5"), true));
        assert_eq!(line("precision: float32"), (None, false));
        assert_eq!(line("- flatten"), (Some("line 7"), true));
    }
}
