//! A pipeline as it was written: a tree of values, each with its place.

use crate::diagnostic::{Place, Spot};

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
    /// The alias or merge key that put it where it stands in the tree.
    pub via: Option<Place>,
}

/// What can be written in YAML 1.2's core schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Everything else that is one word or text.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order it was written.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

/// One step on the way from the root to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an item of a list, from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Step::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

/// Builds a path such as `path!["model", "layers", 3]`.
#[macro_export]
macro_rules! path {
    ($($step:expr),* $(,)?) => { &[$($crate::spec::tree::Step::from($step)),*] };
}

/// A path as a user writes it: `model.layers[3].conv2d`.
pub fn display_path(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

impl Value {
    /// What a message calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::String(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// A value at a place.
    pub fn new(place: Place, value: Value) -> Self {
        Node { place, value, via: None }
    }

    /// The value of `key`, where this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let Value::Map(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// The entry of `key`, where this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The values one step down, with the step.
    pub fn children(&self) -> Vec<(Step, &Node)> {
        match &self.value {
            Value::Map(entries) => entries.iter().map(|entry| (Step::Key(entry.key.clone()), &entry.value)).collect(),
            Value::List(items) => items.iter().enumerate().map(|(index, item)| (Step::Index(index), item)).collect(),
            _ => Vec::new(),
        }
    }

    /// The value one step down.
    pub fn step(&self, step: &Step) -> Option<&Node> {
        match (step, &self.value) {
            (Step::Key(key), _) => self.get(key),
            (Step::Index(index), Value::List(items)) => items.get(*index),
            _ => None,
        }
    }

    /// The value at the end of `path`.
    pub fn at(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| node.step(step))
    }

    /// Where to point for `path`: its value, or, where a default stands in for it, the nearest thing around it that
    /// was written.
    pub fn place_of(&self, path: &[Step]) -> Spot {
        let mut node = self;
        let mut spot = Spot::from(self.place);
        for step in path {
            let (place, next) = match step {
                Step::Key(key) => match node.entry(key) {
                    // A mapping or list is long: its key is what the eye looks for.
                    Some(Entry { key_place, value, .. }) if value.is_long() => (*key_place, value),
                    Some(entry) => (entry.value.place, &entry.value),
                    None => break,
                },
                Step::Index(_) => match node.step(step) {
                    Some(item) => (item.head(), item),
                    None => break,
                },
            };
            spot = Spot { place, via: spot.via.or(next.via) };
            node = next;
        }
        spot
    }

    /// Whether it may take many lines.
    fn is_long(&self) -> bool {
        matches!(self.value, Value::Map(_) | Value::List(_))
    }

    /// Where the key of the last step of `path` was written; elsewhere as [`Node::place_of`].
    pub fn key_place_of(&self, path: &[Step]) -> Spot {
        let spot = self.place_of(path);
        match path.split_last() {
            Some((Step::Key(key), parent)) => match self.at(parent).and_then(|node| node.entry(key)) {
                Some(entry) => Spot { place: entry.key_place, ..spot },
                None => spot,
            },
            _ => spot,
        }
    }

    /// The first word of a value: for the item `conv2d: {...}` the name of the layer.
    pub fn head(&self) -> Place {
        match &self.value {
            Value::Map(entries) if !entries.is_empty() => entries[0].key_place,
            _ => self.place,
        }
    }
}
