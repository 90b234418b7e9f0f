//! From a file to a resolved pipeline, with every problem of syntax and schema on the way.

use super::{
    Pipeline, extends, normalize, overrides, parse, schema,
    tree::{Entry, Node, Step, Value},
};
use crate::{
    diagnostic::{Code, Diagnostic, Label, SourceMap, TextId, io_error},
    path,
    source::Source,
    task::Task,
};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

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
    let pipeline = build(file, sets, &mut sources, &mut problems);
    Loaded { sources, problems, pipeline }
}

/// The longest chain of files that extend each other.
const MAX_CHAIN: usize = 16;

/// The tree of `file` with what it extends. `chain` are the files that led here.
fn read_tree(
    file: &Path,
    chain: &mut Vec<PathBuf>,
    sources: &mut SourceMap,
    problems: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let content = read(file, problems)?;
    let id = sources.add_file(file, content);
    let before = problems.len();
    let Some(mut tree) = parse::parse(sources, id, problems) else {
        if problems.len() == before {
            problems.push(empty(sources, id));
        }
        return None;
    };
    if !matches!(tree.value, Value::Map(_)) {
        problems.push(match tree.value {
            Value::Null => empty(sources, id),
            _ => Diagnostic::error(
                Code::WRONG_TYPE,
                format!("a pipeline is a mapping of keys, not {}", tree.value.kind()),
            )
            .at(tree.place, "expected `version: 1` and what follows"),
        });
        return None;
    }
    let Some(Entry { value: Node { place, value: Value::String(base), .. }, .. }) = extends::take(&mut tree) else {
        return Some(tree);
    };
    let base = file.parent().unwrap_or(Path::new("")).join(base);
    chain.push(canonical(file));
    if chain.contains(&canonical(&base)) || chain.len() > MAX_CHAIN {
        let message = match chain.len() > MAX_CHAIN {
            true => format!("more than {MAX_CHAIN} files that extend each other"),
            false => "files that extend each other in a circle".to_owned(),
        };
        problems.push(
            Diagnostic::error(Code::EXTENDS_CIRCLE, message)
                .at(place, "leads back to where it came from")
                .help("let one of the files stand on its own"),
        );
        return None;
    }
    let found = problems.len();
    if base.exists() && !base.is_dir() && !base.is_file() {
        let problem = Diagnostic::error(Code::IO, format!("{} is no file", base.display()));
        problems.push(problem.at(place, "extended here"));
        return None;
    }
    let base = read_tree(&base, chain, sources, problems);
    for problem in &mut problems[found..] {
        // What cannot be read has no place of its own.
        if problem.labels.is_empty() {
            problem.labels.push(Label { place, text: "extended here".to_owned() });
        }
    }
    Some(extends::merge(base?, tree))
}

fn canonical(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
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

fn build(file: &Path, sets: &[String], sources: &mut SourceMap, problems: &mut Vec<Diagnostic>) -> Option<Sound> {
    let tree = read_tree(file, &mut Vec::new(), sources, problems);
    let mut given = Vec::new();
    for set in sets {
        match overrides::read(sources, set) {
            Ok(value) => given.push(value),
            Err(found) => problems.extend(found),
        }
    }
    let mut tree = tree?;
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
    tell_once(problems);
    if problems.iter().any(Diagnostic::is_error) {
        return None;
    }
    fill_in(&mut tree, file);
    let source = tree.at(path!["dataset", "source"]).map(to_json);
    if let Some(source) = source.and_then(|source| serde_json::from_value::<Source>(source).ok()) {
        fill_in_classes(&mut tree, &source);
        fill_in_task(&mut tree, source.task());
    }
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

/// Of a mistake that aliases bring to several places, one complaint remains, which points at all of them.
fn tell_once(problems: &mut Vec<Diagnostic>) {
    let mut told: Vec<Diagnostic> = Vec::new();
    for problem in problems.drain(..) {
        let same = |other: &&mut Diagnostic| {
            (other.code, &other.message, other.labels.first())
                == (problem.code, &problem.message, problem.labels.first())
        };
        match told.iter_mut().find(same).filter(|first| !first.labels.is_empty()) {
            Some(first) => {
                let new: Vec<Label> =
                    problem.labels.into_iter().filter(|label| !first.labels.contains(label)).collect();
                first.labels.extend(new);
            }
            None => told.push(problem),
        }
    }
    *problems = told;
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
    // A source that has validation examples of its own is validated on them.
    let has_validation = tree
        .at(path!["dataset", "source"])
        .is_some_and(|source| source.children().iter().any(|(_, arguments)| arguments.get("validation").is_some()));
    let Value::Map(entries) = &mut tree.value else { return };
    if !entries.iter().any(|entry| entry.key == "name") {
        entries.push(entry("name", Value::String(name_of(file))));
    }
    let Some(Entry { value: Node { value: Value::Map(dataset), .. }, .. }) =
        entries.iter_mut().find(|entry| entry.key == "dataset")
    else {
        return;
    };
    let says = |dataset: &[Entry], key: &str| dataset.iter().any(|entry| entry.key == key);
    if has_validation && !says(dataset, "validation") {
        dataset.push(entry("validation", item("official").value));
    }
    if !says(dataset, "evaluate")
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

/// Tells each network among the layers how many classes the source has, where the one says nothing and the other does.
fn fill_in_classes(tree: &mut Node, source: &Source) {
    let Some(classes) = source.declare().classes else { return };
    let place = tree.place;
    let layers = tree.get_mut("model").and_then(|model| model.get_mut("layers"));
    let Some(Node { value: Value::List(layers), .. }) = layers else { return };
    for layer in layers {
        let Value::Map(member) = &mut layer.value else { continue };
        let [Entry { key, value: Node { value: Value::Map(arguments), .. }, .. }] = member.as_mut_slice() else {
            continue;
        };
        let says =
            |key: &str| arguments.iter().find(|argument| argument.key == key).map(|argument| &argument.value.value);
        let has_classes = says("include_top") != Some(&Value::Bool(false)) && schema::takes("Layer", key, "classes");
        if has_classes && says("classes").is_none() {
            let value = Node::new(place, Value::Int(classes as i64));
            arguments.push(Entry { key: "classes".to_owned(), key_place: place, value });
        }
    }
}

/// Says what is told and computed where numbers are predicted, as far as the pipeline doesn't; serde's defaults are for classes.
fn fill_in_task(tree: &mut Node, task: Task) {
    if task == Task::Classification {
        return;
    }
    let place = tree.place;
    let entry = |key: &str, value| Entry { key: key.to_owned(), key_place: place, value: Node::new(place, value) };
    let list = |names: &[&str]| {
        let item = |name: &&str| Node::new(place, Value::Map(vec![entry(name, Value::Map(Vec::new()))]));
        Value::List(names.iter().map(item).collect())
    };
    let Value::Map(entries) = &mut tree.value else { return };
    let says = |entries: &[Entry], key: &str| entries.iter().any(|entry| entry.key == key);
    if !says(entries, "evaluation") {
        entries.push(entry("evaluation", list(&["metrics", "residuals"])));
    }
    let training = entries.iter_mut().find(|entry| entry.key == "training").map(|entry| &mut entry.value.value);
    if let Some(Value::Map(training)) = training
        && !says(training, "metrics")
    {
        training.push(entry("metrics", list(&["mean_absolute_error"])));
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
