//! `extends: base.yaml`: what another file says holds wherever this one says nothing.

use super::{
    normalize::{members, normalize, resolve},
    schema,
    tree::{Entry, Node, Value},
};
use serde_json::Value as Json;

/// The key itself.
pub const KEY: &str = "extends";

/// Takes the key with its value out of a file's tree.
pub fn take(tree: &mut Node) -> Option<Entry> {
    let Value::Map(entries) = &mut tree.value else { return None };
    let at = entries.iter().position(|entry| entry.key == KEY)?;
    // A value that names no file is left for the schema to complain of.
    matches!(entries[at].value.value, Value::String(_)).then(|| entries.remove(at))
}

/// What `base` says, changed by what `own` says: mappings are merged key by key, everything else is replaced. Of the base's
/// name nothing is taken: two files are two pipelines.
pub fn merge(mut base: Node, mut own: Node) -> Node {
    // In full form an item is a mapping with its name as the only key.
    for tree in [&mut base, &mut own] {
        normalize(tree, schema::full(), &mut Vec::new());
    }
    if let Value::Map(entries) = &mut base.value {
        entries.retain(|entry| entry.key != "name");
    }
    merged(base, own, schema::full())
}

fn merged(base: Node, own: Node, schema: &Json) -> Node {
    let schema = resolve(schema::full(), schema);
    let (Value::Map(below), Value::Map(above)) = (base.value, &own.value) else { return own };
    let is_item = schema.get("x-family").is_some();
    let same_member = matches!((below.as_slice(), above.as_slice()), ([one], [other]) if one.key == other.key);
    if is_item && !same_member {
        return own;
    }
    let inner = |key: &str| match is_item {
        true => members(schema).into_iter().find(|(name, _)| *name == key).map_or(&Json::Null, |(_, inner)| inner),
        false => schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]),
    };
    let Node { place, value: Value::Map(above), via } = own else { return own };
    let mut entries = below;
    for entry in above {
        match entries.iter().position(|other| other.key == entry.key) {
            Some(at) => {
                let under = std::mem::replace(&mut entries[at].value, Node::new(place, Value::Null));
                let value = merged(under, entry.value, inner(&entry.key));
                entries[at] = Entry { value, ..entry };
            }
            None => entries.push(entry),
        }
    }
    Node { place, value: Value::Map(entries), via }
}
