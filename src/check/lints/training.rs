//! Loss, optimizer, callbacks.

use crate::{
    callback::Mode,
    diagnostic::{Code, Diagnostic, Spot, nearest},
    layer::{ActivationFunction, last_activation},
    loss::{FromLogits, is_probability},
    path,
    schedule::{Fault, LearningRate},
    source::Declared,
    spec::{Validation, listed, load::Sound, tree::Step},
    task::Task,
};

pub(super) fn lint(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    class_weights(sound, declared, problems);
    learning_rate(sound, problems);
    clipping(sound, problems);
    averages(sound, problems);
    schedule(sound, problems);
    beyond(sound, declared, problems);
    monitors(sound, problems);
    reached(sound, problems);
    logits(sound, problems);
}

/// Weights of classes that there aren't.
fn class_weights(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    if let (Some(weights), Some(names)) = (&sound.pipeline.training.class_weight, &declared.names)
        && weights.of(names, &vec![1; names.len()]).is_ok_and(|weights| weights.iter().all(|weight| *weight == 0.0))
    {
        let place = sound.tree.key_place_of(path!["training", "class_weight"]);
        let problem = Diagnostic::error(Code::INVALID_VALUE, "no class counts anything");
        problems.push(problem.at(place, "all weights are 0").help("give at least two classes a weight"));
    }
    if let (Some(weights), Some(names)) = (&sound.pipeline.training.class_weight, &declared.names)
        && let Some((name, problem)) = weights.unknown(names)
    {
        let place = sound.tree.key_place_of(path!["training", "class_weight", name]);
        problems.push(problem.at(place, "no such class"));
    }
}

/// Metrics that want more classes than there are.
fn beyond(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let Some(classes) = declared.classes else { return };
    for (index, metric) in sound.pipeline.training.metrics.iter().enumerate() {
        if let Some(key) = metric.beyond(classes) {
            let place = sound.tree.place_of(path!["training", "metrics", index, metric.name(), key]);
            let message = format!("there are only {classes} classes, and `{}` would always be 1", metric.figure());
            let problem = Diagnostic::error(Code::INVALID_VALUE, message).at(place, "more than there are");
            problems.push(problem.help(format!("numbers below {classes} tell something")));
        }
    }
}

/// The figures that an epoch produces.
pub(super) fn figures(sound: &Sound) -> Vec<(String, bool)> {
    let training = &sound.pipeline.training;
    let mut figures = vec![("loss".to_owned(), false)];
    figures.extend(training.metrics.iter().map(|metric| (metric.figure(), metric.larger_is_better())));
    if !matches!(sound.pipeline.dataset.validation, Validation::None(_)) {
        let validated: Vec<_> = figures.iter().map(|(name, larger)| (format!("val_{name}"), *larger)).collect();
        figures.extend(validated);
    }
    figures
}

/// The complaint about a figure that nothing produces.
pub(super) fn unknown_figure(name: &str, known: &[String], place: Spot) -> Diagnostic {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem =
        Diagnostic::error(Code::UNKNOWN_FIGURE, format!("nothing produces `{name}`")).at(place, "no such figure");
    if name.starts_with("val_") && !names.iter().any(|name| name.starts_with("val_")) {
        return problem
            .fact("nothing is validated: `dataset.validation` is `none`")
            .help("`validation: {split: 0.1}` in `dataset` validates on a tenth of the training data");
    }
    match nearest(name, names.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("there is {}", listed(&names, "and"))),
    }
}

fn monitors(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let figures = figures(sound);
    let names: Vec<String> = figures.iter().map(|(name, _)| name.clone()).collect();
    for (index, callback) in sound.pipeline.training.callbacks.iter().enumerate() {
        let Some(monitor) = callback.monitor() else { continue };
        let at = |key: &str| sound.tree.place_of(path!["training", "callbacks", index, callback.name(), key]);
        match figures.iter().find(|(name, _)| name == monitor.figure) {
            None => problems.push(unknown_figure(monitor.figure, &names, at("monitor"))),
            Some((name, larger)) => {
                let contradicts = match monitor.mode {
                    Mode::Auto => false,
                    Mode::Min => *larger,
                    Mode::Max => !*larger,
                };
                if contradicts {
                    let (better, right) = if *larger { ("larger", "max") } else { ("smaller", "min") };
                    problems.push(
                        Diagnostic::warning(Code::MONITOR_MODE, format!("of `{name}`, {better} is better"))
                            .at(at("mode"), "says the opposite")
                            .help(format!("write `mode: {right}`, or leave it out")),
                    );
                }
            }
        }
    }
}

fn learning_rate(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let optimizer = &sound.pipeline.training.optimizer;
    let (rate, (least, most)) = (optimizer.learning_rate().largest(), optimizer.bearable_learning_rates());
    let (message, label) = if rate > most {
        (format!("{rate} is more than `{}` can bear", optimizer.name()), "training probably diverges")
    } else if rate < least {
        (format!("with {rate}, `{}` hardly moves", optimizer.name()), "training probably stands still")
    } else {
        return;
    };
    problems.push(
        Diagnostic::warning(Code::LEARNING_RATE, message)
            .at(sound.tree.place_of(path!["training", "optimizer", optimizer.name(), "learning_rate"]), label)
            .help(format!("rates from {least} to {most} are common")),
    );
}

/// More than one way to clip gradients.
fn clipping(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let optimizer = &sound.pipeline.training.optimizer;
    let place = |key: &str| sound.tree.place_of(path!["training", "optimizer", optimizer.name(), key]);
    if let [first, others @ ..] = &optimizer.update_arguments().clippings()[..]
        && !others.is_empty()
    {
        let problem = Diagnostic::error(Code::INVALID_VALUE, "gradients can be clipped in one way only");
        let problem = problem.at(place(others[0]), "the second one").at(place(first), "the first one");
        problems
            .push(problem.help(format!("keep one of {}", listed(&optimizer.update_arguments().clippings(), "and"))));
    }
}

/// Averages of the weights that nothing comes of.
fn averages(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let training = &sound.pipeline.training;
    let at = |key: &str| sound.tree.place_of(path!["training", "optimizer", training.optimizer.name(), key]);
    let arguments = training.optimizer.update_arguments();
    if !arguments.use_ema && arguments.ema_overwrite_frequency.is_some() {
        let message = "`ema_overwrite_frequency` says when averages replace the weights, and none are kept";
        let problem =
            Diagnostic::warning(Code::NO_EFFECT, message).at(at("ema_overwrite_frequency"), "changes nothing");
        problems.push(problem.help("add `use_ema: true`, or leave it out"));
    }
    let restoring = training.callbacks.iter().position(|callback| callback.restores_weights());
    if let Some(index) = restoring.filter(|_| arguments.use_ema && arguments.ema_overwrite_frequency.is_none()) {
        let callback = path!["training", "callbacks", index];
        let message =
            "the averages of the weights are never used: the best weights take their place when training ends";
        problems.push(
            Diagnostic::warning(Code::NO_EFFECT, message)
                .at(at("use_ema"), "keeps averages")
                .at(sound.tree.place_of(callback), "puts back weights that aren't averages")
                .help("take one of the two, or add `ema_overwrite_frequency`"),
        );
    }
}

/// Arguments of a schedule that don't go together.
fn schedule(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let optimizer = &sound.pipeline.training.optimizer;
    let LearningRate::Scheduled(schedule) = optimizer.learning_rate() else { return };
    let Some(Fault { path, message, help }) = schedule.fault() else { return };
    let mut at = path!["training", "optimizer", optimizer.name(), "learning_rate", schedule.name()].to_vec();
    at.extend(path.into_iter().map(|key| Step::Key(key.to_owned())));
    problems.push(
        Diagnostic::error(Code::INVALID_VALUE, message).at(sound.tree.place_of(&at), "doesn't go together").help(help),
    );
}

fn reached(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let training = &sound.pipeline.training;
    for (index, callback) in training.callbacks.iter().enumerate() {
        if !callback.can_act(training.epochs) {
            let epochs = training.epochs;
            problems.push(
                Diagnostic::warning(
                    Code::NEVER_REACHED,
                    format!("`{}` cannot act within {epochs} epochs", callback.name()),
                )
                .at(sound.tree.place_of(path!["training", "callbacks", index]), "waits for longer than training takes")
                .at(sound.tree.place_of(path!["training", "epochs"]), "training ends here at the latest")
                .help("lower its `patience`, or raise `epochs`"),
            );
        }
    }
}
fn logits(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let loss = &sound.pipeline.training.loss;
    let layers = &sound.pipeline.model.layers;
    let activation = last_activation(layers);
    if activation == ActivationFunction::Softmax && !loss.bears_softmax() {
        let last = layers.len().saturating_sub(1);
        let (message, wants, help) = match loss.task() {
            Task::Classification => (
                format!("`{}` asks each output by itself, and a softmax weighs them against each other", loss.name()),
                "wants logits, or a sigmoid",
                "leave the activation of the last layer out, or take `sparse_categorical_crossentropy`",
            ),
            Task::Regression => (
                "a softmax makes shares of its inputs: of a single one, always 1".to_owned(),
                "wants any number",
                "leave the activation of the last layer out",
            ),
        };
        problems.push(
            Diagnostic::error(Code::LOGITS_MISMATCH, message)
                .at(sound.tree.place_of(path!["model", "layers", last]), "ends in a softmax")
                .at(sound.tree.place_of(path!["training", "loss"]), wants)
                .help(help),
        );
    }
    let FromLogits::Explicit(from_logits) = loss.outputs_are_logits() else { return };
    if from_logits != is_probability(activation) {
        return;
    }
    let (message, label) = if from_logits {
        ("the loss expects logits, and the model ends in probabilities", "this makes probabilities")
    } else {
        ("the loss expects probabilities, and the model ends in logits", "nothing makes probabilities here")
    };
    let last = layers.len().saturating_sub(1);
    problems.push(
        Diagnostic::error(Code::LOGITS_MISMATCH, message)
            .at(sound.tree.place_of(path!["training", "loss", loss.name(), "from_logits"]), "says so here")
            .at(sound.tree.place_of(path!["model", "layers", last]), label)
            .help("leave `from_logits` out: it follows from the last layer"),
    );
}
