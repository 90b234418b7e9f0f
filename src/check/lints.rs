//! Things that are valid and probably wrong, each with its code.

use super::Plan;
use crate::{
    callback::early_stopping::Mode,
    diagnostic::{Code, Diagnostic, Severity, nearest},
    layer::{Layer, display_shape, last_activation},
    loss::{FromLogits, is_probability},
    path,
    source::Declared,
    spec::{Validation, listed, load::Sound},
    stage::Stage,
};

/// Reports what is suspicious in `sound`.
pub fn lint(sound: &Sound, declared: &Declared, plan: Option<&Plan>, problems: &mut Vec<Diagnostic>) {
    allow(sound, problems);
    stages(sound, declared, problems);
    validation(sound, problems);
    monitors(sound, problems);
    expectations(sound, problems);
    logits(sound, problems);
    if let Some(plan) = plan {
        outputs(sound, declared, plan, problems);
    }
    scaling(sound, problems);
}

fn allow(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    for (index, name) in sound.pipeline.allow.iter().enumerate() {
        if Code::named(name).is_none() {
            let place = sound.tree.place_of(path!["allow", index]);
            let problem = Diagnostic::error(Code::UNKNOWN_CODE, format!("no warning is called `{name}`"));
            let names = Code::ALL.iter().map(|(code, _)| code.name());
            problems.push(match nearest(name, names) {
                Some(near) => problem.at(place, "no such code").help(format!("did you mean `{near}`?")),
                None => problem.at(place, "no such code").help("the code stands in brackets behind `warning`"),
            });
        }
    }
}

fn stages(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    for (list, stages, evaluation) in [("train", &dataset.train, false), ("evaluate", &dataset.evaluate, true)] {
        let place = |index: usize| sound.tree.place_of(path!["dataset", list, index]);
        let batches: Vec<usize> = (0..stages.len()).filter(|&i| stages[i].batch_size().is_some()).collect();
        match batches.as_slice() {
            [_] => {}
            [] => problems.push(
                Diagnostic::error(Code::BATCH_STAGES, format!("`dataset.{list}` makes no batches"))
                    .at(sound.tree.key_place_of(path!["dataset", list]), "`batch` is missing here")
                    .help("add a `batch`, for example `- batch: 32`"),
            ),
            [first, second, ..] => problems.push(
                Diagnostic::error(Code::BATCH_STAGES, "batches of batches")
                    .at(place(*second), "the second `batch`")
                    .at(place(*first), "the first `batch`")
                    .help("remove one of the two"),
            ),
        }
        let batch = batches.first().copied();
        let shuffle = stages.iter().position(|stage| matches!(stage, Stage::Shuffle(_)));
        if let (Some(shuffle), Some(batch)) = (shuffle, batch)
            && shuffle > batch
        {
            problems.push(
                Diagnostic::warning(Code::SHUFFLE_AFTER_BATCH, "this mixes whole batches, not examples")
                    .at(place(shuffle), "the same examples stay together in every epoch")
                    .help("put `shuffle` before `batch`"),
            );
        }
        for (index, stage) in stages.iter().enumerate() {
            match stage {
                Stage::Cache(_) if shuffle.is_some_and(|shuffle| shuffle < index) && !evaluation => problems.push(
                    Diagnostic::warning(Code::CACHE_AFTER_SHUFFLE, "every epoch has the order of the first one")
                        .at(place(index), "keeps the order that `shuffle` made")
                        .help("put `cache` before `shuffle`"),
                ),
                Stage::Shuffle(_) if evaluation => problems.push(
                    Diagnostic::warning(Code::SHUFFLE_ON_EVALUATION, "an evaluation gains nothing from another order")
                        .at(place(index), "not needed here")
                        .help("remove this `shuffle`"),
                ),
                Stage::Shuffle(arguments) => {
                    let held = arguments.buffer_size.unwrap_or(usize::MAX);
                    if let Some(all) = declared.train.filter(|all| held < *all) {
                        let share = 100.0 * held as f64 / all as f64;
                        problems.push(
                            Diagnostic::note(
                                Code::SMALL_SHUFFLE_BUFFER,
                                format!("{held} of {all} examples ({share:.0}%) are mixed at a time"),
                            )
                            .at(place(index), "mixes near examples only")
                            .help("a bare `shuffle` mixes everything"),
                        );
                    }
                }
                Stage::Batch(arguments) if arguments.drop_remainder => {
                    let all = if evaluation { declared.test } else { declared.train };
                    if evaluation {
                        problems.push(
                            Diagnostic::warning(Code::DROPPED_EXAMPLES, "an evaluation that leaves examples out")
                                .at(place(index), "the last examples aren't evaluated")
                                .help("remove `drop_remainder` here"),
                        );
                    } else if all.is_some_and(|all| all < arguments.batch_size) {
                        problems.push(
                            Diagnostic::error(Code::DROPPED_EXAMPLES, "not a single batch is full")
                                .at(place(index), "all examples are dropped")
                                .help("make the batch smaller, or remove `drop_remainder`"),
                        );
                    }
                }
                _ => {}
            }
        }
    }
}

fn validation(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let Validation::Test(_) = sound.pipeline.dataset.validation else { return };
    let chooses = !sound.pipeline.training.callbacks.is_empty();
    let (severity, message) = if chooses {
        (Severity::Warning, "the test split decides when training stops, so the test score is optimistic")
    } else {
        (Severity::Note, "the test split is looked at while training")
    };
    let mut problem = Diagnostic::note(Code::VALIDATION_ON_TEST, message)
        .at(sound.tree.place_of(path!["dataset", "validation"]), "validates on the test split")
        .help("`validation: {split: 0.1}` keeps a tenth of the training data for it; or `allow: [validation-on-test]`");
    problem.severity = severity;
    problems.push(problem);
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

fn unknown_figure(name: &str, known: &[String], place: crate::diagnostic::Place) -> Diagnostic {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem =
        Diagnostic::error(Code::UNKNOWN_FIGURE, format!("nothing produces `{name}`")).at(place, "no such figure");
    let problem = match nearest(name, names.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("there is {}", listed(&names, "and"))),
    };
    if name.starts_with("val_") && !names.iter().any(|name| name.starts_with("val_")) {
        return problem
            .fact("nothing is validated: `dataset.validation` is `none`")
            .help("`validation: {split: 0.1}` in `dataset` validates on a tenth of the training data");
    }
    problem
}

fn monitors(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let figures = figures(sound);
    let names: Vec<String> = figures.iter().map(|(name, _)| name.clone()).collect();
    for (index, callback) in sound.pipeline.training.callbacks.iter().enumerate() {
        let at = |key: &str| sound.tree.place_of(path!["training", "callbacks", index, callback.name(), key]);
        match figures.iter().find(|(name, _)| name == callback.monitor()) {
            None => problems.push(unknown_figure(callback.monitor(), &names, at("monitor"))),
            Some((name, larger)) => {
                let contradicts = match callback.mode() {
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

fn expectations(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let mut names: Vec<String> = figures(sound).into_iter().map(|(name, _)| name).collect();
    names.push("test_loss".to_owned());
    names.extend(sound.pipeline.training.metrics.iter().map(|metric| format!("test_{}", metric.name())));
    for (name, bounds) in &sound.pipeline.expect {
        let place = sound.tree.key_place_of(path!["expect", name.as_str()]);
        if !names.contains(name) {
            problems.push(unknown_figure(name, &names, place));
        }
        let message = match (bounds.min, bounds.max) {
            (None, None) => "this expects nothing",
            (Some(min), Some(max)) if min > max => "no number is both at least `min` and at most `max`",
            _ => continue,
        };
        problems.push(
            Diagnostic::error(Code::EMPTY_EXPECTATION, message)
                .at(place, "")
                .help(format!("for example `{name}: {{min: 0.7}}`")),
        );
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

fn scaling(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let layers = &sound.pipeline.model.layers;
    let scales = layers.iter().position(|layer| matches!(layer, Layer::Rescaling(_)));
    let learns = layers.iter().position(|layer| matches!(layer, Layer::Conv2d(_) | Layer::Dense(_)));
    if let Some(learns) = learns
        && scales.is_none_or(|scales| scales > learns)
    {
        problems.push(
            Diagnostic::warning(Code::UNSCALED_INPUT, "pixel values of 0 to 255 reach a layer with weights")
                .at(sound.tree.place_of(path!["model", "layers", learns]), "trains badly on such large numbers")
                .help("begin the model with `rescaling: {scale: 1/255}`"),
        );
    }
}
