//! The layers and what leaves the last one.

use super::task;
use crate::{
    check::{Plan, PlannedLayer, plan::below},
    diagnostic::{Code, Diagnostic},
    layer::{ActivationFunction, Layer, Parameter, Structure, display_shape, elements, last_activation},
    path,
    source::Declared,
    spec::{load::Sound, tree::Step},
    stage::{Stage, repetitions},
    task::Task,
};

pub(super) fn lint(sound: &Sound, declared: &Declared, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    outputs(sound, declared, plan, problems);
    last_layers(sound, plan, problems);
    let layers = &sound.pipeline.model.layers;
    let mut each = Vec::new();
    in_order(layers, &plan.layers, path!["model", "layers"], &mut each);
    names(sound, &each, problems);
    normalizations(sound, &each, problems);
    scaling(sound, plan, &each, problems);
    hidden_softmax(sound, &each, problems);
    single_examples(sound, declared, &each, problems);
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
    let pairs = layer.structure().blocks().into_iter().zip(&planned.blocks);
    pairs.map(|(block, planned)| (block.layers, planned.as_slice(), below(path, layer, &block))).collect()
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

/// Given names that another layer has.
fn names(sound: &Sound, each: &[Standing<'_>], problems: &mut Vec<Diagnostic>) {
    for standing in each {
        let Some(name) = standing.layer.given_name().filter(|name| *name != standing.planned.row.name) else {
            continue;
        };
        let place = sound.tree.place_of(&[standing.path.as_slice(), path![standing.layer.name(), "name"]].concat());
        let mut problem = Diagnostic::error(Code::LAYER_NAME, format!("another layer is called `{name}`"));
        problem = problem.at(place, "the same name");
        if let Some(other) = each.iter().find(|other| other.planned.row.name == name) {
            problem = problem.at(sound.tree.place_of(&other.path), "this layer");
        }
        problems.push(problem.help("give each layer a name of its own"));
    }
}

fn outputs(sound: &Sound, declared: &Declared, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    let last = plan.layers.len() - 1;
    let place = sound.tree.place_of(path!["model", "layers", last]);
    let shape = display_shape(plan.output());
    let loss = &sound.pipeline.training.loss;
    // Of a loss that doesn't fit another complaint tells.
    if loss.task() != sound.pipeline.task() {
        return;
    }
    if loss.task() == Task::Regression {
        return task::output(sound, plan, problems);
    }
    match (plan.output(), declared.classes) {
        ([_], None) => {}
        ([units], Some(classes)) if loss.accepts(*units, classes) => {}
        ([units], Some(classes)) => problems.push(
            Diagnostic::error(Code::CLASS_COUNT, format!("{units} outputs for {classes} classes"))
                .at(place, format!("the last layer gives {shape}"))
                .at(sound.tree.place_of(path!["dataset", "source"]), format!("this source has {classes} classes"))
                .help(match sound.pipeline.model.layers.last().filter(|layer| layer.stands_for().is_some()) {
                    Some(network) => format!("give `{}` the argument `classes: {classes}`", network.name()),
                    None => format!("end the model with `dense: {classes}`"),
                }),
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
            let message = match sound.pipeline.task() {
                Task::Classification => "this drops whole classes while training",
                Task::Regression => "this makes predictions 0 while training",
            };
            problems.push(
                Diagnostic::warning(Code::DROPOUT_ON_OUTPUT, message)
                    .at(
                        sound.tree.place_of(path!["model", "layers", index]),
                        "stands behind the last layer with weights",
                    )
                    .help("put `dropout` before the last `dense`"),
            );
        }
    }
    let activation = last_activation(layers);
    // Numbers may well have a bound.
    if let Some(message) = bends(activation).filter(|_| sound.pipeline.task() == Task::Classification) {
        let last = layers.len() - 1;
        let key = if matches!(layers[last], Layer::Activation(_)) { "function" } else { "activation" };
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

/// What an activation does to logits, where it keeps classes from getting any number.
fn bends(activation: ActivationFunction) -> Option<&'static str> {
    match activation {
        ActivationFunction::Relu | ActivationFunction::Relu6 | ActivationFunction::Softplus => {
            Some("no class can get less than zero")
        }
        ActivationFunction::Elu
        | ActivationFunction::Selu
        | ActivationFunction::Gelu
        | ActivationFunction::GeluApproximate
        | ActivationFunction::Silu
        | ActivationFunction::Mish
        | ActivationFunction::HardSilu => Some("no class can get much less than zero"),
        ActivationFunction::HardSigmoid => Some("every class gets a number between 0 and 1"),
        ActivationFunction::Tanh => Some("every class gets a number between -1 and 1"),
        ActivationFunction::Linear
        | ActivationFunction::LeakyRelu
        | ActivationFunction::Sigmoid
        | ActivationFunction::Softmax => None,
    }
}

/// Layers that want the statistics of the data where these are no longer known.
fn normalizations(sound: &Sound, each: &[Standing<'_>], problems: &mut Vec<Diagnostic>) {
    let known = each.iter().take_while(|standing| matches!(standing.layer, Layer::Rescaling(_))).count();
    for standing in &each[(known + 1).min(each.len())..] {
        let Layer::Normalization(normalization) = standing.layer else { continue };
        if normalization.adapts() {
            problems.push(
                Diagnostic::error(
                    Code::MISPLACED_NORMALIZATION,
                    "the mean and the variance of what reaches this layer aren't known before training",
                )
                .at(sound.tree.place_of(&standing.path), "stands behind more than `rescaling`")
                .help("put it at the beginning, or use `batch_normalization` here"),
            );
        }
    }
}

/// What is left of pixel values of 0 to 255 where the first layer with weights gets them.
fn scaling(sound: &Sound, plan: &Plan, each: &[Standing<'_>], problems: &mut Vec<Diagnostic>) {
    let Some(learns) = each.iter().position(|standing| standing.planned.row.parameters > 0) else { return };
    if matches!(each[learns].layer, Layer::Normalization(_)) {
        return;
    }
    if plan.input.image().is_none() {
        problems.push(
            Diagnostic::warning(Code::UNSCALED_INPUT, "the numbers of a table reach a layer with weights as they are")
                .at(sound.tree.place_of(&each[learns].path), "trains badly where features have different scales")
                .help("begin the model with `normalization`"),
        );
        return;
    }
    let scalings = each[..learns].iter().filter_map(|standing| match standing.layer {
        Layer::Rescaling(rescaling) => Some((standing, rescaling.scale.abs())),
        _ => None,
    });
    let largest = scalings.clone().fold(255.0, |largest, (_, scale)| largest * scale);
    let place = |standing: &Standing<'_>| sound.tree.place_of(&standing.path);
    if largest > MOST_INPUT {
        let problem = Diagnostic::warning(
            Code::UNSCALED_INPUT,
            format!("pixel values of 0 to {largest} reach a layer with weights"),
        )
        .at(place(&each[learns]), "trains badly on such large numbers")
        .help("begin the model with `rescaling: {scale: 1/255}`, or with `normalization`");
        problems
            .push(scalings.clone().fold(problem, |problem, (standing, _)| problem.at(place(standing), "scaled here")));
    } else if largest < LEAST_INPUT {
        let message = match largest {
            0.0 => "nothing is left of the pixel values".to_owned(),
            _ => format!("of pixel values of 0 to 255, 0 to {largest:.4} reach a layer with weights"),
        };
        let mut problem = Diagnostic::warning(Code::FAINT_INPUT, message);
        for (standing, scale) in scalings {
            problem = problem.at(place(standing), format!("multiplied by {scale:.6}"));
        }
        problems.push(problem.help("scale once: `rescaling: {scale: 1/255}`"));
    }
}

/// Values of about 1 train well. Ten times that still do, and a hundredth part of it.
const MOST_INPUT: f64 = 20.0;
const LEAST_INPUT: f64 = 0.02;

/// Softmax anywhere but at the end.
fn hidden_softmax(sound: &Sound, each: &[Standing<'_>], problems: &mut Vec<Diagnostic>) {
    let inner = each.iter().filter(|standing| matches!(standing.layer.structure(), Structure::Computation));
    let softmax = inner.filter(|standing| standing.layer.activation() == ActivationFunction::Softmax);
    let last = path!["model", "layers", sound.pipeline.model.layers.len() - 1];
    for standing in softmax.filter(|standing| !standing.path.starts_with(last)) {
        let key = if matches!(standing.layer, Layer::Activation(_)) { "function" } else { "activation" };
        let path = [standing.path.as_slice(), path![standing.layer.name(), key]].concat();
        problems.push(
            Diagnostic::warning(Code::HIDDEN_SOFTMAX, "a softmax within the model")
                .at(sound.tree.place_of(&path), "lets hardly a gradient through")
                .help("`relu` is what stands between layers; `softmax` belongs at the end, or nowhere"),
        );
    }
}

/// Batch normalization where a batch has nothing to be normalized over.
fn single_examples(sound: &Sound, declared: &Declared, each: &[Standing<'_>], problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    let Some((at, Stage::Batch(batch))) =
        dataset.train.iter().enumerate().find(|(_, stage)| stage.batch_size().is_some())
    else {
        return;
    };
    let turns = repetitions(&dataset.train[..at]) as usize;
    let examples = dataset.validation.training_examples(declared);
    let rest = examples.map(|examples| examples.saturating_mul(turns) % batch.batch_size);
    let message = match (batch.batch_size, rest, batch.drop_remainder) {
        (1, ..) => "batches of one example",
        (_, Some(1), false) => "the last batch of an epoch has one example",
        _ => return,
    };
    let mut normalized = each.iter().filter(|standing| matches!(standing.layer, Layer::BatchNormalization(_)));
    // On images one example has many positions; on vectors nothing is left but the learned mean.
    let found = match batch.batch_size {
        1 => normalized.next(),
        _ => normalized.find(|standing| standing.planned.input.len() == 1),
    };
    if let Some(standing) = found {
        problems.push(
            Diagnostic::warning(Code::SINGLE_EXAMPLES, message)
                .at(sound.tree.place_of(path!["dataset", "train", at]), "too few to tell a mean and a variance")
                .at(sound.tree.place_of(&standing.path), "normalizes over the examples of a batch")
                .help("make the batch larger, or `drop_remainder: true` where only the last one is too small"),
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
        // A kernel for each channel or group of them is no full one: with another behind it, it is meant.
        let mixes = |parameter: &Parameter| parameter.shape.get(1) == plan.input.last().map(|&n| n as i64).as_ref();
        let learns =
            layer.parameters(&plan.input).iter().any(|parameter| parameter.name == "kernel" && mixes(parameter));
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
