//! From a file to a resolved pipeline, with every problem of syntax and schema on the way.

use super::{
    Pipeline, normalize, overrides, parse, schema,
    tree::{Entry, Node, Step, Value},
};
use crate::{
    diagnostic::{Code, Diagnostic, SourceMap, TextId, io_error},
    path,
};
use std::{io::Read as _, path::Path};

/// What loading a file gives.
pub struct Loaded {
    /// The texts that places point into.
    pub sources: SourceMap,
    /// What is wrong, in the order it was found.
    pub problems: Vec<Diagnostic>,
    /// The pipeline, where nothing is wrong.
    pub pipeline: Option<Sound>,
}

/// A pipeline that the schema accepts, in its two forms.
pub struct Sound {
    /// In full form, with places.
    pub tree: Node,
    /// As the argument structs.
    pub pipeline: Pipeline,
}

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Loads the pipeline in `file`, with `sets` (`KEY=VALUE`) applied last.
pub fn load(file: &Path, sets: &[String]) -> Loaded {
    let mut sources = SourceMap::default();
    let mut problems = Vec::new();
    let pipeline =
        read(file, &mut problems).and_then(|content| build(file, content, sets, &mut sources, &mut problems));
    Loaded { sources, problems, pipeline }
}

fn read(file: &Path, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let result = if file.is_dir() {
        Err(Diagnostic::error(Code::IO, format!("{name} is a directory")).help("name the pipeline file inside of it"))
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| *io_error("read", file, &error))
    };
    if let Err(problem) = result {
        problems.push(problem.in_file(name));
        return None;
    }
    if bytes.len() as u64 > MAX_BYTES {
        let problem = Diagnostic::error(Code::TOO_LARGE, format!("{name} has more than {MAX_BYTES} bytes"));
        problems.push(problem.in_file(name).help("a pipeline is a short text: is this the right file?"));
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            problems.push(
                Diagnostic::error(Code::SYNTAX, format!("{name} isn't text in UTF-8: line {line} holds other bytes"))
                    .in_file(format!("{name}:{line}"))
                    .help("save the file as UTF-8"),
            );
            None
        }
    }
}

fn build(
    file: &Path,
    content: String,
    sets: &[String],
    sources: &mut SourceMap,
    problems: &mut Vec<Diagnostic>,
) -> Option<Sound> {
    let id = sources.add_file(file, content);
    let tree = parse::parse(sources, id, problems);
    let mut given = Vec::new();
    for set in sets {
        match overrides::read(sources, set) {
            Ok(value) => given.push(value),
            Err(found) => problems.extend(found),
        }
    }
    if tree.is_none() && problems.is_empty() {
        problems.push(empty(sources, id));
    }
    let mut tree = tree?;
    if !matches!(tree.value, Value::Map(_)) {
        let problem = match tree.value {
            Value::Null => empty(sources, id),
            _ => Diagnostic::error(
                Code::WRONG_TYPE,
                format!("a pipeline is a mapping of keys, not {}", tree.value.kind()),
            )
            .at(tree.place, "expected `version: 1` and what follows"),
        };
        problems.push(problem);
        return None;
    }
    if !given.is_empty() {
        // Flags speak of the full form: sugar goes first, and what is wrong is told once, afterwards.
        normalize::normalize(&mut tree, schema::full(), &mut Vec::new());
        for value in &given {
            if let Err(problem) = value.apply(&mut tree) {
                problems.push(*problem);
            }
        }
    }
    normalize::normalize(&mut tree, schema::full(), problems);
    if !problems.is_empty() {
        return None;
    }
    fill_in(&mut tree, file);
    match serde_path_to_error::deserialize(to_json(&tree)) {
        Ok(pipeline) => Some(Sound { tree, pipeline }),
        Err(error) => {
            // The schema is made from the same types, so only what it cannot say arrives here.
            let steps: Vec<Step> = error
                .path()
                .iter()
                .filter_map(|segment| match segment {
                    serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
                    serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
                    serde_path_to_error::Segment::Enum { variant } => Some(Step::Key(variant.clone())),
                    serde_path_to_error::Segment::Unknown => None,
                })
                .collect();
            let message = error.inner().to_string();
            problems.push(Diagnostic::error(Code::INVALID_VALUE, message).at(tree.place_of(&steps), "this value"));
            None
        }
    }
}

fn empty(sources: &SourceMap, id: TextId) -> Diagnostic {
    let name = &sources.text(id).name;
    Diagnostic::error(Code::MISSING_KEY, format!("{name} is empty"))
        .in_file(format!("{name}:1:1"))
        .help("a pipeline begins with `version: 1`, then `dataset`, `model` and `training`")
}

/// Writes down the defaults that hang on other values.
fn fill_in(tree: &mut Node, file: &Path) {
    let place = tree.place;
    let entry = |key: &str, value| Entry { key: key.to_owned(), key_place: place, value: Node::new(place, value) };
    let item = |name: &str| Node::new(place, Value::Map(vec![entry(name, Value::Map(Vec::new()))]));
    let batch = tree.at(path!["dataset", "train"]).and_then(|stages| match &stages.value {
        Value::List(stages) => stages.iter().find(|stage| stage.get("batch").is_some()).cloned(),
        _ => None,
    });
    let Value::Map(entries) = &mut tree.value else { return };
    if !entries.iter().any(|entry| entry.key == "name") {
        entries.push(entry("name", Value::String(name_of(file))));
    }
    if let Some(dataset) = entries.iter_mut().find(|entry| entry.key == "dataset")
        && let Value::Map(dataset) = &mut dataset.value.value
        && !dataset.iter().any(|entry| entry.key == "evaluate")
        && let Some(mut batch) = batch
    {
        // An evaluation drops nothing.
        if let Value::Map(batch) = &mut batch.value
            && let Value::Map(arguments) = &mut batch[0].value.value
        {
            arguments.retain(|argument| argument.key != "drop_remainder");
        }
        dataset.push(entry("evaluate", Value::List(vec![item("cache"), batch, item("prefetch")])));
    }
}

/// The file's stem, with what a directory's name shouldn't hold replaced.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = stem.chars().map(plain).take(100).collect();
    let name = name.trim_start_matches(['.', '_', '-']).to_owned();
    if name.is_empty() { "pipeline".to_owned() } else { name }
}

fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), to_json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
