//! `--set training.epochs=5`, `--set model.layers[1].conv2d.filters=64`: values that come last.

use super::{
    parse::parse,
    tree::{Entry, Node, Step, Value, display_path},
};
use crate::diagnostic::{Code, Diagnostic, Place, SourceMap};

/// One `--set`, read but not yet applied.
pub struct Override {
    path: Vec<(Step, Place)>,
    value: Node,
}

/// Reads `KEY=VALUE`. The value is YAML.
pub fn read(sources: &mut SourceMap, text: &str) -> Result<Override, Vec<Diagnostic>> {
    let id = sources.add_flag("--set", text);
    let place = |start: usize, end: usize| Place { text: id, start, end };
    let Some((key, value)) = text.split_once('=') else {
        return Err(vec![
            Diagnostic::error(Code::BAD_OVERRIDE, "a `--set` without `=`")
                .at(place(0, text.len()), "")
                .help("write `--set KEY=VALUE`, for example `--set training.epochs=5`"),
        ]);
    };
    let path = read_path(key).map_err(|(start, end)| {
        vec![
            Diagnostic::error(Code::BAD_OVERRIDE, "this is no key")
                .at(place(start, end), "not understood")
                .help("keys are joined by dots, items counted from 0: `model.layers[1].conv2d.filters`"),
        ]
    })?;
    let path = path.into_iter().map(|(step, start, end)| (step, place(start, end))).collect();
    // The value is parsed where it stands, so that its place is right: blanks instead of what comes before.
    let blanked = " ".repeat(key.len() + 1) + value;
    let mut scratch = SourceMap::default();
    let scratch_id = scratch.add_flag("--set", blanked);
    let mut problems = Vec::new();
    let node = parse(&scratch, scratch_id, &mut problems);
    for problem in &mut problems {
        problem.labels.iter_mut().for_each(|label| label.place.text = id);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut value = node.unwrap_or(Node::new(place(key.len() + 1, text.len()), Value::Null));
    move_to(&mut value, id);
    Ok(Override { path, value })
}

fn move_to(node: &mut Node, text: crate::diagnostic::TextId) {
    node.place.text = text;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| move_to(item, text)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.key_place.text = text;
            move_to(&mut entry.value, text);
        }),
        _ => {}
    }
}

/// A step with the bytes, from and to, that it was written at.
type WrittenStep = (Step, usize, usize);

/// Steps with the bytes that they were written at; or the bytes that make no sense.
fn read_path(key: &str) -> Result<Vec<WrittenStep>, (usize, usize)> {
    let mut steps = Vec::new();
    let mut at = 0;
    for part in key.split('.') {
        let (name, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.trim().is_empty() {
            return Err((at, (at + part.len()).max(at + 1).min(key.len().max(1))));
        }
        steps.push((Step::Key(name.trim().to_owned()), at, at + name.len()));
        let mut index_at = at + name.len();
        while !indices.is_empty() {
            let end = indices.find(']').ok_or((index_at, at + part.len()))?;
            let index = indices[1..end].parse().map_err(|_| (index_at, index_at + end + 1))?;
            steps.push((Step::Index(index), index_at, index_at + end + 1));
            index_at += end + 1;
            indices = &indices[end + 1..];
            if !indices.is_empty() && !indices.starts_with('[') {
                return Err((index_at, at + part.len()));
            }
        }
        at += part.len() + 1;
    }
    Ok(steps)
}

impl Override {
    /// Puts the value into the tree; a key that isn't there is added, and the schema has the last word on it.
    pub fn apply(&self, root: &mut Node) -> Result<(), Box<Diagnostic>> {
        let mut node = root;
        for (depth, (step, place)) in self.path.iter().enumerate() {
            if let (Step::Key(_), Value::Null) = (step, &node.value) {
                node.value = Value::Map(Vec::new());
            }
            let so_far = || display_path(&self.path[..depth].iter().map(|(step, _)| step.clone()).collect::<Vec<_>>());
            node = match (step, &mut node.value) {
                (Step::Key(key), Value::Map(entries))
                    if depth + 1 < self.path.len()
                        && matches!(self.path.get(depth.wrapping_sub(1)), Some((Step::Index(_), _)))
                        && entries.len() == 1
                        && entries[0].key != *key =>
                {
                    let found = format!("`{}` is `{}`, not `{key}`", so_far(), entries[0].key);
                    return Err(Box::new(Diagnostic::error(Code::BAD_OVERRIDE, found).at(*place, "another one")));
                }
                (Step::Key(key), Value::Map(entries)) => {
                    let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                        let value = Node::new(*place, Value::Null);
                        entries.push(Entry { key: key.clone(), key_place: *place, value });
                        entries.len() - 1
                    });
                    // A complaint about the value is a complaint about the flag.
                    if depth + 1 == self.path.len() {
                        entries[index].key_place = *place;
                    }
                    &mut entries[index].value
                }
                (Step::Index(index), Value::List(items)) => {
                    let count = items.len();
                    items.get_mut(*index).ok_or_else(|| {
                        Box::new(
                            Diagnostic::error(
                                Code::BAD_OVERRIDE,
                                format!("`{}` has {count} items, counted from 0", so_far()),
                            )
                            .at(*place, "no such item"),
                        )
                    })?
                }
                (step, value) => {
                    let wanted = if matches!(step, Step::Key(_)) { "a mapping" } else { "a list" };
                    let found = value.kind();
                    return Err(Box::new(
                        Diagnostic::error(Code::BAD_OVERRIDE, format!("`{}` is {found}, not {wanted}", so_far()))
                            .at(*place, "leads nowhere"),
                    ));
                }
            };
        }
        *node = self.value.clone();
        Ok(())
    }
}
