//! The layers with their names, shapes, parameters and operations, computed without a tensor.

use crate::{
    diagnostic::{Code, Diagnostic, SourceMap},
    layer::{Layer, display_shape},
    path,
    run::LayerRow,
    spec::load::Sound,
};
use std::collections::HashMap;

/// A model's layers, planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `[height, width, channels]` of an example.
    pub input: [usize; 3],
    /// A row for each layer.
    pub layers: Vec<LayerRow>,
}

impl Plan {
    /// The shape that leaves the last layer, without the batch.
    pub fn output(&self) -> &[usize] {
        self.layers.last().map_or(&self.input, |layer| &layer.output_shape)
    }

    /// The shape that reaches layer `index`.
    pub fn input_of(&self, index: usize) -> &[usize] {
        if index == 0 { &self.input } else { &self.layers[index - 1].output_shape }
    }
}

/// Names as Keras gives them: `conv2d`, `conv2d_1`, ...
fn names(layers: &[Layer]) -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut name = |layer: &Layer| {
        let count = seen.entry(layer.name()).or_default();
        *count += 1;
        if *count == 1 { layer.name().to_owned() } else { format!("{}_{}", layer.name(), *count - 1) }
    };
    layers.iter().map(&mut name).collect()
}

/// Follows the shapes through the layers. The first layer that cannot take what reaches it is reported.
pub fn plan(sound: &Sound, sources: &SourceMap, input: [usize; 3], problems: &mut Vec<Diagnostic>) -> Option<Plan> {
    let layers = &sound.pipeline.model.layers;
    let mut rows: Vec<LayerRow> = Vec::with_capacity(layers.len());
    for (index, (layer, name)) in layers.iter().zip(names(layers)).enumerate() {
        let shape = rows.last().map_or(&input[..], |row| &row.output_shape);
        let place = sound.tree.place_of(path!["model", "layers", index]);
        match layer.output_shape(shape) {
            Ok(output_shape) => {
                let parameters = layer.parameters(shape);
                rows.push(LayerRow {
                    name,
                    kind: layer.name().to_owned(),
                    line: sources.line(place),
                    parameters: parameters.iter().map(|p| p.shape.iter().product::<i64>() as u64).sum(),
                    flops: layer.flops(shape, &output_shape),
                    output_shape,
                });
            }
            Err(error) => {
                let mut problem = Diagnostic::error(Code::SHAPE, error.message)
                    .at(place, format!("{} reaches this layer", display_shape(shape)))
                    .help(error.help);
                if let Some(before) = index.checked_sub(1) {
                    let place = sound.tree.place_of(path!["model", "layers", before]);
                    problem = problem.at(place, format!("{} leaves this one", display_shape(shape)));
                }
                problems.push(problem);
                return None;
            }
        }
    }
    Some(Plan { input, layers: rows })
}
