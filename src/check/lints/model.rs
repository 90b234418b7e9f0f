//! The layers and what leaves the last one.

use crate::{
    check::{Plan, PlannedLayer},
    diagnostic::{Code, Diagnostic},
    layer::{ActivationFunction, Layer, Structure, display_shape, elements, last_activation},
    path,
    source::Declared,
    spec::{load::Sound, tree::Step},
};

pub(super) fn lint(sound: &Sound, declared: &Declared, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    outputs(sound, declared, plan, problems);
    last_layers(sound, plan, problems);
    let layers = &sound.pipeline.model.layers;
    let mut each = Vec::new();
    in_order(layers, &plan.layers, path!["model", "layers"], &mut each);
    scaling(sound, &each, problems);
    linear_stacks(sound, layers, &plan.layers, path!["model", "layers"], problems);
}

/// A layer with where it is written and what was planned of it.
struct Standing<'a> {
    path: Vec<Step>,
    layer: &'a Layer,
    planned: &'a PlannedLayer,
}

/// The rows of layers within `layer`, each with its path and its plan; of a repeated row the first turn.
fn rows<'a>(
    layer: &'a Layer,
    planned: &'a PlannedLayer,
    path: &[Step],
) -> Vec<(&'a [Layer], &'a [PlannedLayer], Vec<Step>)> {
    let blocks = match layer.structure() {
        Structure::Computation => Vec::new(),
        Structure::Repeat(_, block) => vec![block],
        Structure::Parallel(blocks, _) => blocks,
    };
    let below = |key: &str, index: Option<usize>| {
        let mut path = [path, path![layer.name(), key]].concat();
        path.extend(index.map(Step::Index));
        path
    };
    let pairs = blocks.into_iter().zip(&planned.blocks);
    pairs.map(|(block, planned)| (block.layers, planned.as_slice(), below(block.key, block.index))).collect()
}

/// Every layer before those within it.
fn in_order<'a>(layers: &'a [Layer], planned: &'a [PlannedLayer], path: &[Step], all: &mut Vec<Standing<'a>>) {
    for (index, (layer, planned)) in layers.iter().zip(planned).enumerate() {
        let path = [path, path![index]].concat();
        all.push(Standing { path: path.clone(), layer, planned });
        for (layers, planned, path) in rows(layer, planned, &path) {
            in_order(layers, planned, &path, all);
        }
    }
}

fn outputs(sound: &Sound, declared: &Declared, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    let last = plan.layers.len() - 1;
    let place = sound.tree.place_of(path!["model", "layers", last]);
    let shape = display_shape(plan.output());
    match (plan.output(), declared.classes) {
        ([_], None) => {}
        ([units], Some(classes)) if *units == classes => {}
        ([units], Some(classes)) => problems.push(
            Diagnostic::error(Code::CLASS_COUNT, format!("{units} outputs for {classes} classes"))
                .at(place, format!("the last layer gives {shape}"))
                .at(sound.tree.place_of(path!["dataset", "source"]), format!("this source has {classes} classes"))
                .help(format!("end the model with `dense: {classes}`")),
        ),
        _ => problems.push(
            Diagnostic::error(Code::CLASS_COUNT, "the model doesn't end in one number for each class")
                .at(place, format!("the last layer gives {shape}"))
                .help(match declared.classes {
                    Some(classes) => format!("end the model with `flatten` and `dense: {classes}`"),
                    None => "end the model with `flatten` and a `dense` with a unit for each class".to_owned(),
                }),
        ),
    }
}

/// What stands behind the last layer with weights.
fn last_layers(sound: &Sound, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    let layers = &sound.pipeline.model.layers;
    let weights = plan.layers.iter().rposition(|layer| layer.row.parameters > 0);
    let behind = weights.map_or(layers.len(), |last| last + 1);
    for (index, layer) in layers.iter().enumerate().skip(behind) {
        if matches!(layer, Layer::Dropout(_)) {
            problems.push(
                Diagnostic::warning(Code::DROPOUT_ON_OUTPUT, "this drops whole classes while training")
                    .at(
                        sound.tree.place_of(path!["model", "layers", index]),
                        "stands behind the last layer with weights",
                    )
                    .help("put `dropout` before the last `dense`"),
            );
        }
    }
    let activation = last_activation(layers);
    if matches!(activation, ActivationFunction::Relu | ActivationFunction::Tanh) {
        let last = layers.len() - 1;
        let key = if matches!(layers[last], Layer::Activation(_)) { "function" } else { "activation" };
        let message = match activation {
            ActivationFunction::Relu => "no class can get less than zero",
            _ => "every class gets a number between -1 and 1",
        };
        problems.push(
            Diagnostic::warning(Code::ACTIVATION_ON_OUTPUT, message)
                .at(
                    sound.tree.place_of(path!["model", "layers", last, layers[last].name(), key]),
                    "bends what the loss takes for logits",
                )
                .help("leave the activation of the last layer out, or make it `softmax`"),
        );
    }
}

fn scaling(sound: &Sound, each: &[Standing<'_>], problems: &mut Vec<Diagnostic>) {
    let shrinks = |standing: &&Standing<'_>| match standing.layer {
        Layer::Rescaling(rescaling) => rescaling.scale.abs() <= 0.02,
        _ => false,
    };
    let scales = each.iter().position(|standing| matches!(standing.layer, Layer::Rescaling(_)));
    let learns = each.iter().position(|standing| standing.planned.row.parameters > 0);
    if let Some(learns) = learns
        && scales.is_none_or(|scales| scales > learns)
    {
        problems.push(
            Diagnostic::warning(Code::UNSCALED_INPUT, "pixel values of 0 to 255 reach a layer with weights")
                .at(sound.tree.place_of(&each[learns].path), "trains badly on such large numbers")
                .help("begin the model with `rescaling: {scale: 1/255}`"),
        );
    }
    let mut shrinking = each.iter().take(learns.unwrap_or(each.len())).filter(shrinks);
    if let (Some(first), Some(second)) = (shrinking.next(), shrinking.next()) {
        problems.push(
            Diagnostic::warning(Code::DOUBLE_RESCALING, "values are scaled twice")
                .at(sound.tree.place_of(&second.path), "scaled again")
                .at(sound.tree.place_of(&first.path), "scaled here already")
                .help("remove one of the two"),
        );
    }
}

/// Layers with weights that have nothing between them that one of them alone couldn't compute.
fn linear_stacks(
    sound: &Sound,
    layers: &[Layer],
    planned: &[PlannedLayer],
    path: &[Step],
    problems: &mut Vec<Diagnostic>,
) {
    let mut linear: Option<usize> = None;
    for (index, (layer, plan)) in layers.iter().zip(planned).enumerate() {
        let learns = plan.row.parameters > 0;
        if let Some(first) = linear.filter(|_| learns) {
            // A narrow layer between wide ones is a matrix of low rank, and meant.
            let narrow = elements(&planned[first].row.output_shape) < elements(&plan.row.output_shape);
            if !narrow {
                let place = |index: usize| sound.tree.place_of(&[path, path![index]].concat());
                problems.push(
                    Diagnostic::warning(Code::LINEAR_STACK, "two layers in a row that compute what one could")
                        .at(place(first), "no activation behind this one")
                        .at(place(index), "and only linear layers up to here")
                        .help("give the first one an activation: `activation: relu`"),
                );
            }
        }
        linear = match (layer.is_linear(), learns) {
            (true, true) => Some(index),
            (true, false) => linear,
            (false, _) => None,
        };
        for (layers, planned, path) in rows(layer, plan, &[path, path![index]].concat()) {
            linear_stacks(sound, layers, planned, &path, problems);
        }
    }
}
