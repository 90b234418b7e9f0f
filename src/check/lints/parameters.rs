//! What is trained, and what names it.

use crate::{
    check::{Plan, plan::below},
    diagnostic::{Code, Diagnostic, nearest},
    layer::{Initializer, Layer},
    optimizer::LayerPattern,
    path,
    spec::{
        load::Sound,
        tree::{Step, display_path},
    },
};

pub(super) fn lint(sound: &Sound, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    let layers = &sound.pipeline.model.layers;
    let parameters = plan.parameters(layers);
    if !parameters.iter().any(|(_, parameter)| parameter.trainable) {
        let problem = Diagnostic::error(Code::NOTHING_TO_TRAIN, "no layer has anything to train");
        let place = sound.tree.key_place_of(path!["model", "layers"]);
        problems.push(problem.at(place, "all of them stay as they are").help("add a layer with weights, or train one"));
        return;
    }
    let names: Vec<String> = parameters.into_iter().map(|(name, _)| name).collect();
    let training = &sound.pipeline.training;
    for (index, group) in training.parameter_groups.iter().enumerate() {
        let at = path!["training", "parameter_groups", index, "layers"];
        patterns(sound, &group.layers, at, &names, problems);
    }
    for (key, layers) in training.optimizer.patterns() {
        patterns(sound, &layers, path!["training", "optimizer", training.optimizer.name(), key], &names, problems);
    }
    whitening(sound, layers, problems);
}

/// Patterns that fit nothing.
fn patterns(sound: &Sound, patterns: &[LayerPattern], path: &[Step], names: &[String], problems: &mut Vec<Diagnostic>) {
    for (index, pattern) in patterns.iter().enumerate() {
        if names.iter().any(|name| pattern.matches(name)) {
            continue;
        }
        let message =
            format!("`{}` names `{}`, and nothing is called so that could be trained", display_path(path), pattern.0);
        let place = sound.tree.place_of(&[path, path![index]].concat());
        let problem = Diagnostic::error(Code::NO_SUCH_PARAMETERS, message).at(place, "fits no layer");
        let layers = names.iter().filter_map(|name| Some(name.rsplit_once('.')?.0));
        problems.push(match nearest(&pattern.0, layers) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("`trainyard summary FILE` shows the layers' names"),
        });
    }
}

/// Convolutions that whiten behind layers that are trained.
fn whitening(sound: &Sound, layers: &[Layer], problems: &mut Vec<Diagnostic>) {
    let scaling =
        layers.iter().take_while(|layer| matches!(layer, Layer::Rescaling(_) | Layer::Normalization(_))).count();
    let mut misplaced = Vec::new();
    behind(&layers[scaling..], path!["model", "layers"], scaling, &mut misplaced);
    for path in misplaced {
        let message = "the windows that reach this layer aren't known before training";
        let problem = Diagnostic::error(Code::MISPLACED_WHITENING, message);
        let place = sound.tree.place_of(&path);
        let problem = problem.at(place, "stands behind more than `rescaling` and `normalization`");
        problems.push(problem.help("put it at the beginning, or take another `kernel_initializer` here"));
    }
}

/// The convolutions that whiten among `layers`, of which the first stands at `offset`, and within them; but not that first one.
fn behind(layers: &[Layer], path: &[Step], offset: usize, found: &mut Vec<Vec<Step>>) {
    for (index, layer) in layers.iter().enumerate() {
        let path = [path, path![offset + index]].concat();
        if let Layer::Conv2d(convolution) = layer
            && convolution.kernel_initializer == Initializer::Whitening
            && (index > 0 || path.len() > 3)
        {
            found.push(path.clone());
        }
        for block in layer.structure().blocks() {
            behind(block.layers, &below(&path, layer, &block), 0, found);
        }
    }
}
