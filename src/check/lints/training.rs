//! Loss, optimizer, callbacks, and what is expected of them.

use crate::{
    callback::early_stopping::Mode,
    diagnostic::{Code, Diagnostic, Spot, nearest},
    evaluation::{Evaluation, FigureName},
    layer::last_activation,
    loss::{FromLogits, is_probability},
    path,
    source::Declared,
    spec::{Validation, listed, load::Sound},
};

pub(super) fn lint(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    class_weights(sound, declared, problems);
    learning_rate(sound, problems);
    monitors(sound, problems);
    reached(sound, problems);
    expectations(sound, declared, problems);
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

/// The figures that an epoch produces.
fn figures(sound: &Sound) -> Vec<(String, bool)> {
    let training = &sound.pipeline.training;
    let mut figures = vec![("loss".to_owned(), false)];
    figures.extend(training.metrics.iter().map(|metric| (metric.name().to_owned(), metric.larger_is_better())));
    if !matches!(sound.pipeline.dataset.validation, Validation::None(_)) {
        let validated: Vec<_> = figures.iter().map(|(name, larger)| (format!("val_{name}"), *larger)).collect();
        figures.extend(validated);
    }
    figures
}

fn unknown_figure(name: &str, known: &[String], place: Spot) -> Diagnostic {
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

fn expectations(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let mut names: Vec<String> = figures(sound).into_iter().map(|(name, _)| name).collect();
    let of_steps: Vec<FigureName> = sound.pipeline.evaluation.iter().flat_map(|step| step.figures()).collect();
    let classes = declared.names.as_deref();
    names.push("test_loss".to_owned());
    names.extend(sound.pipeline.training.metrics.iter().map(|metric| format!("test_{}", metric.name())));
    let of_classes = of_steps.iter().filter(|figure| figure.by_class);
    let of_classes = of_classes.flat_map(|figure| {
        classes.unwrap_or_default().iter().map(|class| format!("{}[{class}]", figure.name)).collect::<Vec<_>>()
    });
    let known: Vec<String> = names
        .iter()
        .cloned()
        .chain(of_steps.iter().filter(|figure| !figure.by_class).map(|figure| figure.name.clone()))
        .chain(of_classes)
        .collect();
    for (name, bounds) in &sound.pipeline.expect {
        let place = sound.tree.key_place_of(path!["expect", name.as_str()]);
        let of_step = of_steps.iter().find(|figure| figure.is(name, classes));
        if !names.contains(name) && of_step.is_none() {
            problems.push(unknown_expectation(name, &known, &names, place));
        }
        let (low, high) = of_step.map_or_else(|| range(sound, name), |figure| figure.range);
        let out_of_reach = |bound: &f64| *bound < low || *bound > high;
        let problem = match (bounds.min, bounds.max) {
            (None, None) => Diagnostic::error(Code::EMPTY_EXPECTATION, "this expects nothing").at(place, "no bound"),
            (Some(min), Some(max)) if min > max => {
                Diagnostic::error(Code::EMPTY_EXPECTATION, "no number is both at least `min` and at most `max`")
                    .at(place, format!("at least {min} and at most {max}"))
            }
            (min, max) => {
                let Some((key, bound)) =
                    min.map(|b| ("min", b)).into_iter().chain(max.map(|b| ("max", b))).find(|(_, b)| out_of_reach(b))
                else {
                    continue;
                };
                let message = match (key, bound > high) {
                    ("min", true) | ("max", false) => format!("no run can meet this: `{name}` {}", reach(low, high)),
                    _ => format!("every run meets this: `{name}` {}", reach(low, high)),
                };
                Diagnostic::error(Code::EMPTY_EXPECTATION, message)
                    .at(sound.tree.place_of(path!["expect", name.as_str(), key]), "out of reach")
            }
        };
        // A percentage, where a share was expected.
        let shares = [bounds.min, bounds.max].into_iter().flatten().filter(|b| *b > 1.0 && *b <= 100.0 && high == 1.0);
        problems.push(match shares.map(|percent| percent / 100.0).next() {
            Some(share) => problem.help(format!("it is a share, and no percentage: write `{share}`")),
            None => problem.help(format!("for example `{name}: {{min: 0.7}}`")),
        });
    }
}

/// The complaint about an expectation that names no figure; where a step would give it, says so.
fn unknown_expectation(name: &str, known: &[String], always: &[String], place: Spot) -> Diagnostic {
    let steps = Evaluation::NAMES.iter().filter_map(|step| {
        serde_json::from_value::<Evaluation>(serde_json::json!({ *step: {} })).ok().map(|evaluation| (step, evaluation))
    });
    let mut giving = steps.filter(|(_, step)| step.figures().iter().any(|figure| figure.is(name, None)));
    // A class that isn't there is another mistake.
    let given = known.iter().any(|figure| figure.split('[').next() == name.split('[').next());
    match giving.next().filter(|_| !given) {
        Some((step, _)) => Diagnostic::error(Code::UNKNOWN_FIGURE, format!("nothing produces `{name}`"))
            .at(place, "no such figure")
            .help(format!("add `{step}` to `evaluation`, which does")),
        None if nearest(name, known.iter().map(String::as_str)).is_some() => unknown_figure(name, known, place),
        None => unknown_figure(name, always, place),
    }
}

/// The values that a figure can have.
fn range(sound: &Sound, figure: &str) -> (f64, f64) {
    let name = figure.strip_prefix("val_").or_else(|| figure.strip_prefix("test_")).unwrap_or(figure);
    let metric = sound.pipeline.training.metrics.iter().find(|metric| metric.name() == name);
    metric.map_or((0.0, f64::INFINITY), |metric| metric.range())
}

fn reach(low: f64, high: f64) -> String {
    if high.is_finite() { format!("is a number from {low} to {high}") } else { format!("is never below {low}") }
}

fn learning_rate(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let optimizer = &sound.pipeline.training.optimizer;
    let (rate, (least, most)) = (optimizer.initial_learning_rate(), optimizer.bearable_learning_rates());
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
    let FromLogits::Explicit(from_logits) = loss.outputs_are_logits() else { return };
    let layers = &sound.pipeline.model.layers;
    let activation = last_activation(layers);
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
