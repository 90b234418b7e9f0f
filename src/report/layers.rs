//! The layer table.

use super::{Section, figure};
use crate::run::Record;
use serde_json::{Value, json};

pub(super) const SECTION: Section =
    Section { id: "model", title: "Model", template: include_str!("../../templates/sections/layers.html"), data };

fn data(record: &Record) -> Option<Value> {
    let layers = &record.info.layers;
    if layers.is_empty() {
        return None;
    }
    let rows: Vec<Value> = layers
        .iter()
        .map(|layer| {
            json!({
                "name": layer.name,
                "kind": layer.kind,
                "place": layer.place(),
                // The policy forbids styles within elements: blanks of the width of a letter indent.
                "indent": "\u{2003}".repeat(layer.depth),
                "shape": figure::shape(&layer.output_shape),
                "parameters": figure::grouped(layer.parameters),
                "flops": figure::grouped(layer.flops),
            })
        })
        .collect();
    Some(json!({
        "rows": rows,
        "input": record.info.data.as_ref().map(|data| figure::shape(&data.shape)),
        "count": figure::counted(layers.len(), "layer", "layers"),
        "parameters": figure::grouped(layers.iter().map(|layer| layer.parameters).sum()),
        "flops": figure::grouped(layers.iter().map(|layer| layer.flops).sum()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn totals_are_sums() {
        let data = data(&sample()).unwrap();
        assert_eq!(data["parameters"], "160,202");
        assert_eq!(data["count"], "12 layers");
    }
}
