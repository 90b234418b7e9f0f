//! A model's layers as a graph.

use crate::{
    check::{Plan, PlannedLayer},
    layer::{Layer, Structure},
};

/// A layer in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique; of a layer within others, theirs come before it, with slashes: `residual/conv2d_1`.
    pub name: String,
    /// The member of the family: `conv2d`.
    pub kind: String,
    /// Whose outputs go into it.
    pub inputs: Vec<String>,
    /// Without the batch dimension.
    pub output_shape: Vec<usize>,
    /// Numbers that it keeps.
    pub parameters: u64,
}

/// The nodes of `layers`, which `plan` is the plan of, behind one for the input. A layer that holds others stands behind
/// them: it is what makes one of their outputs.
pub fn nodes(layers: &[Layer], plan: &Plan) -> Vec<Node> {
    let input = Node {
        name: "input".to_owned(),
        kind: "Placeholder".to_owned(),
        inputs: Vec::new(),
        output_shape: plan.input.shape(),
        parameters: 0,
    };
    let mut nodes = vec![input];
    add_row(layers, &plan.layers, "", "input".to_owned(), &mut nodes);
    nodes
}

/// Adds layers in a row, the first of which gets the output of `input`; gives the name of what leaves the last one.
fn add_row(layers: &[Layer], planned: &[PlannedLayer], scope: &str, input: String, nodes: &mut Vec<Node>) -> String {
    layers.iter().zip(planned).fold(input, |input, (layer, planned)| add(layer, planned, scope, input, nodes))
}

fn add(layer: &Layer, planned: &PlannedLayer, scope: &str, input: String, nodes: &mut Vec<Node>) -> String {
    let row = &planned.row;
    let name = format!("{scope}{}", row.name);
    let within = format!("{name}/");
    let inputs = match layer.structure() {
        Structure::Computation => vec![input],
        Structure::Repeat(_, block) => {
            let turns = planned.blocks.iter();
            vec![turns.fold(input, |input, turn| add_row(block.layers, turn, &within, input, nodes))]
        }
        Structure::Parallel(blocks, _) => {
            let rows = blocks.iter().zip(&planned.blocks);
            rows.map(|(block, row)| add_row(block.layers, row, &within, input.clone(), nodes)).collect()
        }
    };
    nodes.push(Node {
        name: name.clone(),
        kind: row.kind.clone(),
        inputs,
        output_shape: row.output_shape.clone(),
        parameters: row.parameters,
    });
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Form;
    use serde_json::json;

    fn edges(layers: serde_json::Value) -> Vec<(String, Vec<String>)> {
        let layers: Vec<Layer> = serde_json::from_value(layers).unwrap();
        let plan = Plan::new(&layers, Form::Image([8, 8, 3])).unwrap();
        nodes(&layers, &plan).into_iter().map(|node| (node.name, node.inputs)).collect()
    }

    fn wanted(edges: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        edges.iter().map(|(name, inputs)| ((*name).to_owned(), own(inputs))).collect()
    }

    #[test]
    fn layers_in_a_row_follow_each_other() {
        let got = edges(json!([{ "flatten": {} }, { "dense": { "units": 4 } }, { "dense": { "units": 2 } }]));
        let want: &[(&str, &[&str])] =
            &[("input", &[]), ("flatten", &["input"]), ("dense", &["flatten"]), ("dense_1", &["dense"])];
        assert_eq!(got, wanted(want));
    }

    #[test]
    fn layers_within_others_stand_in_their_scope() {
        let conv = |filters: usize| json!({ "conv2d": { "filters": filters, "kernel_size": 3, "padding": "same" } });
        let got = edges(json!([
            { "residual": { "layers": [conv(3), conv(3)] } },
            { "repeat": { "times": 2, "layers": [conv(4)] } },
            { "branches": { "branches": [[conv(2)], [conv(5), conv(6)]] } },
        ]));
        let want: &[(&str, &[&str])] = &[
            ("input", &[]),
            ("residual/conv2d", &["input"]),
            ("residual/conv2d_1", &["residual/conv2d"]),
            ("residual", &["residual/conv2d_1", "input"]),
            ("repeat/conv2d_2", &["residual"]),
            ("repeat/conv2d_3", &["repeat/conv2d_2"]),
            ("repeat", &["repeat/conv2d_3"]),
            ("branches/conv2d_4", &["repeat"]),
            ("branches/conv2d_5", &["repeat"]),
            ("branches/conv2d_6", &["branches/conv2d_5"]),
            ("branches", &["branches/conv2d_4", "branches/conv2d_6"]),
        ];
        assert_eq!(got, wanted(want));
    }
}
