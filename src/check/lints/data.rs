//! The data and its stages.

use crate::{
    data::count_steps,
    diagnostic::{Code, Diagnostic, Severity},
    path,
    source::{Declared, Form},
    spec::{OnError, Validation, load::Sound},
    stage::{Stage, repetitions},
};

pub(super) fn lint(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    stages(sound, declared, problems);
    empty_epochs(sound, declared, problems);
    augmentations(sound, declared, problems);
    validation(sound, problems);
    official(sound, problems);
    error_limit(sound, problems);
    images_only(sound, problems);
    absent_classes(sound, declared, problems);
    split(sound, declared, problems);
}

/// The most examples of an epoch: its order is held in memory.
const MAX_EPOCH: u64 = 1 << 28;

/// Stages that leave nothing.
fn empty_epochs(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    let train = dataset.validation.training_examples(declared);
    for (list, stages, examples) in [("train", &dataset.train, train), ("evaluate", &dataset.evaluate, declared.test)] {
        let all = repetitions(stages).saturating_mul(examples.unwrap_or(1).max(1) as u64);
        if all > MAX_EPOCH {
            let repeat = stages.iter().rposition(|stage| stage.repetitions() > 1).unwrap_or(0);
            problems.push(
                Diagnostic::error(Code::TOO_LARGE, format!("an epoch of {all} examples, more than {MAX_EPOCH}"))
                    .at(sound.tree.place_of(path!["dataset", list, repeat]), "repeats too often")
                    .help("repeat less, and train for more `epochs`"),
            );
            continue;
        }
        let Some(examples) = examples.filter(|examples| *examples > 0) else { continue };
        // The order is no matter of the count.
        let counted: Vec<Stage> = stages.iter().filter(|stage| !matches!(stage, Stage::Shuffle(_))).cloned().collect();
        let told = problems.iter().any(|problem| problem.code == Code::DROPPED_EXAMPLES && problem.is_error());
        if !told && count_steps(&counted, examples) == 0 {
            problems.push(
                Diagnostic::error(Code::NO_BATCHES, format!("of {examples} examples not a single batch is left"))
                    .at(sound.tree.key_place_of(path!["dataset", list]), "these stages leave nothing")
                    .help("take more, or skip fewer"),
            );
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
            // Where the evaluation's stages aren't written, they follow from training's.
            [] if evaluation && sound.tree.at(path!["dataset", list]).is_none_or(|n| n.place == sound.tree.place) => {}
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
        // As many as reach `batch`.
        let before = &stages[..batch.unwrap_or(stages.len())];
        let turns = repetitions(before) as usize;
        let examples = dataset.validation.training_examples(declared).filter(|_| !evaluation);
        let examples = examples.map(|examples| examples.saturating_mul(turns));
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
            if stage.blending().is_some() && batch.is_some_and(|batch| index < batch) {
                let message =
                    format!("`{}` blends the examples of a batch, and there are no batches yet", stage.name());
                problems.push(
                    Diagnostic::error(Code::BATCH_STAGES, message)
                        .at(place(index), "stands before `batch`")
                        .help("put it behind `batch`"),
                );
            }
            let blends = stages[..index].iter().position(|stage| stage.blending().is_some());
            if let Some(blend) = blends.filter(|_| !stage.augmentations().is_empty() || stage.keeps_examples()) {
                let (name, other) = (stage.name(), stages[blend].name());
                problems.push(
                    Diagnostic::error(
                        Code::BATCH_STAGES,
                        format!("`{name}` works on single examples, and `{other}` has blended them"),
                    )
                    .at(place(index), format!("stands behind `{other}`"))
                    .at(place(blend), "blends the examples of a batch")
                    .help(format!("put `{name}` before `{other}`")),
                );
            }
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
                    if let Some(all) = dataset.validation.training_examples(declared).filter(|all| held < *all) {
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
                    if evaluation {
                        problems.push(
                            Diagnostic::warning(Code::DROPPED_EXAMPLES, "an evaluation that leaves examples out")
                                .at(place(index), "the last examples aren't evaluated")
                                .help("remove `drop_remainder` here"),
                        );
                    } else if examples.is_some_and(|all| all < arguments.batch_size) {
                        problems.push(
                            Diagnostic::error(Code::DROPPED_EXAMPLES, "not a single batch is full")
                                .at(place(index), "all examples are dropped")
                                .help("make the batch smaller, or remove `drop_remainder`"),
                        );
                    }
                }
                Stage::Repeat(_) if shuffle.is_some_and(|shuffle| shuffle > index) && !evaluation => problems.push(
                    Diagnostic::note(Code::REPEAT_BEFORE_SHUFFLE, "the passes are mixed with each other")
                        .at(place(index), "an example may come twice before another comes once")
                        .help("put `shuffle` before `repeat`, where each pass is to see every example once"),
                ),
                Stage::Repeat(_) if evaluation => problems.push(
                    Diagnostic::warning(
                        Code::REPEAT_ON_EVALUATION,
                        "an evaluation that sees every example several times",
                    )
                    .at(place(index), "multiplies counts and predictions, and changes no share")
                    .help("remove this `repeat`"),
                ),
                Stage::Take(_) | Stage::Skip(_) | Stage::Shard(_) if evaluation => problems.push(
                    Diagnostic::warning(Code::DROPPED_EXAMPLES, "an evaluation that leaves examples out")
                        .at(place(index), "only a part is evaluated")
                        .help(format!("remove this `{}`", stage.name())),
                ),
                Stage::Batch(arguments) => {
                    if let Some(all) = examples.filter(|all| *all < arguments.batch_size && !evaluation) {
                        problems.push(
                            Diagnostic::warning(Code::SINGLE_BATCH, "an epoch is a single step")
                                .at(
                                    place(index),
                                    format!("{all} examples don't fill a batch of {}", arguments.batch_size),
                                )
                                .help("make the batch smaller: each batch is one step of the optimizer"),
                        );
                    }
                }
                _ => {}
            }
        }
        if !evaluation && shuffle.is_none() {
            problems.push(
                Diagnostic::warning(Code::UNSHUFFLED_TRAINING, "every epoch has the same examples in the same order")
                    .at(sound.tree.key_place_of(path!["dataset", list]), "`shuffle` is missing here")
                    .help("put `shuffle` before `batch`, and behind `cache`"),
            );
        }
    }
}

fn augmentations(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    let Some([height, width, channels]) = declared.form.and_then(Form::image) else { return };
    for (list, stages, evaluation) in [("train", &dataset.train, false), ("evaluate", &dataset.evaluate, true)] {
        let cache = stages.iter().rposition(|stage| stage.keeps_examples());
        let mut size = [height, width];
        // What changed the size last, where it isn't the source's.
        let mut changed = None;
        let changes = |stage: &Stage| !stage.augmentations().is_empty() || stage.blending().is_some();
        for (index, stage) in stages.iter().enumerate().filter(|(_, stage)| changes(stage)) {
            let place = sound.tree.place_of(path!["dataset", list, index]);
            if evaluation {
                problems.push(
                    Diagnostic::warning(Code::AUGMENTED_EVALUATION, "the evaluation's images are changed at random")
                        .at(place, "makes the figures those of other images")
                        .help(format!("remove this `{}`: it belongs in `dataset.train`", stage.name())),
                );
            } else if let Some(cache) = cache.filter(|cache| *cache > index) {
                problems.push(
                    Diagnostic::warning(Code::FROZEN_AUGMENTATION, "every epoch has the changes of the first one")
                        .at(sound.tree.place_of(path!["dataset", list, cache]), "keeps the changed images")
                        .at(place, "changes them only once")
                        .help(format!("put `cache` before `{}`", stage.name())),
                );
            }
            for (number, augmentation) in stage.augmentations().iter().enumerate() {
                let name = stage.name();
                let place = sound.tree.place_of(path!["dataset", list, index, name, "augmentations", number]);
                if channels == 1 && augmentation.needs_color() {
                    let message = format!("`{}` does nothing: the images are grey", augmentation.name());
                    problems.push(
                        Diagnostic::warning(Code::COLORLESS, message)
                            .at(place, "changes colours only")
                            .help("remove it; `random_brightness` and `random_contrast` work on grey, too"),
                    );
                }
                match augmentation.output_size(size) {
                    Ok(new) if new != size => (size, changed) = (new, Some(place)),
                    Ok(_) => {}
                    Err(why) => {
                        let message = format!("`{}` cannot take these images: {why}", augmentation.name());
                        problems
                            .push(Diagnostic::error(Code::AUGMENTATION_SIZE, message).at(place, "too large a part"));
                        return;
                    }
                }
            }
        }
        if let Some(place) = changed.filter(|_| size != [height, width]) {
            let message = format!("`dataset.{list}` makes images of {}x{} from {height}x{width}", size[0], size[1]);
            problems.push(
                Diagnostic::error(Code::AUGMENTATION_SIZE, message)
                    .at(place, "what comes out has another size")
                    .fact("validation and test images aren't augmented, and the model has one size")
                    .help(format!(
                        "give it `height: {height}` and `width: {width}`, or another `image_size` to the source"
                    )),
            );
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

/// A limit for what is left out, where nothing is.
fn error_limit(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    if dataset.max_errors.is_some() && dataset.on_error == OnError::Fail {
        problems.push(
            Diagnostic::warning(Code::NO_EFFECT, "`max_errors` limits what `on_error: skip` leaves out")
                .at(sound.tree.key_place_of(path!["dataset", "max_errors"]), "changes nothing: any error ends the run")
                .help("add `on_error: skip`, or remove it"),
        );
    }
}

/// Stages that work on images, where there are none.
fn images_only(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    if dataset.source.reader().is_some() {
        return;
    }
    for (list, stages) in [("train", &dataset.train), ("evaluate", &dataset.evaluate)] {
        for (index, stage) in stages.iter().enumerate() {
            if stage.cache_directory().is_some() {
                let message = format!("`{}` lies in memory anyway: no file is made", dataset.source.name());
                problems.push(
                    Diagnostic::warning(Code::NO_EFFECT, message)
                        .at(sound.tree.place_of(path!["dataset", list, index]), "changes nothing")
                        .help("a bare `cache`, or none, does the same"),
                );
            }
            if !stage.augmentations().is_empty() || stage.blending().is_some() {
                let message = format!("`{}` changes images, and `{}` has none", stage.name(), dataset.source.name());
                problems.push(
                    Diagnostic::error(Code::NOT_IMAGES, message)
                        .at(sound.tree.place_of(path!["dataset", list, index]), "cannot work on rows of numbers")
                        .help(format!("remove this `{}`", stage.name())),
                );
            }
        }
    }
}

/// The source's own validation data, where there are none or they aren't used.
fn official(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let dataset = &sound.pipeline.dataset;
    let own = path!["dataset", "source", dataset.source.name(), "validation"];
    let has = sound.tree.at(own).is_some();
    match &dataset.validation {
        Validation::Official(_) if !has => problems.push(
            Diagnostic::error(Code::EMPTY_SPLIT, "the source has no validation examples of its own")
                .at(sound.tree.place_of(path!["dataset", "validation"]), "asks for them")
                .help("`validation: {split: 0.1}` keeps a tenth of the training data for validation"),
        ),
        Validation::Official(_) => {}
        other if has => problems.push(
            Diagnostic::warning(Code::UNUSED_SPLIT, "the source's validation examples aren't used")
                .at(sound.tree.place_of(own), "only `validation: official` looks at them")
                .at(sound.tree.place_of(path!["dataset", "validation"]), format!("says `{}`", other.name()))
                .help("remove one of the two"),
        ),
        _ => {}
    }
}

/// Classes that a split has no example of.
fn absent_classes(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    const NAMED: usize = 5;
    for split in ["train", "validation", "test"] {
        let classes: Vec<&str> =
            declared.absent.iter().filter(|(name, _)| *name == split).map(|(_, class)| class.as_str()).collect();
        if classes.is_empty() {
            continue;
        }
        let named: Vec<String> = classes.iter().take(NAMED).map(|class| format!("`{class}`")).collect();
        let more = classes.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let (problem, consequence) = match split {
            "train" => ("no example to learn it from", "the model cannot learn what it never sees"),
            _ => ("no example to judge it by", "what the figures say of it is nothing"),
        };
        let message = format!("no {split} example of {}{more}", named.join(", "));
        let place = sound.tree.place_of(path!["dataset", "source"]);
        let problem = Diagnostic::warning(Code::ABSENT_CLASS, message).at(place, problem).fact(consequence);
        problems.push(problem.help("add examples, or remove the class"));
    }
}

fn split(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let validation = &sound.pipeline.dataset.validation;
    if let Validation::KFold(fold) = validation
        && fold.index >= fold.folds
    {
        problems.push(
            Diagnostic::error(Code::EMPTY_SPLIT, format!("there is no part {} of {}", fold.index, fold.folds))
                .at(sound.tree.place_of(path!["dataset", "validation", "k_fold", "index"]), "counted from 0")
                .help(format!("the parts are 0 to {}", fold.folds - 1)),
        );
        return;
    }
    for (name, count) in [("training", declared.train), ("validation", declared.validation), ("test", declared.test)] {
        if count == Some(0) {
            problems.push(
                Diagnostic::error(Code::EMPTY_SPLIT, format!("there is no {name} example"))
                    .at(sound.tree.place_of(path!["dataset", "source"]), "this source has none")
                    .help("name data that hold some, or take another share"),
            );
        }
    }
    let (Some(share), Some(all), Some(off)) = (validation.share(), declared.train, validation.examples(declared))
    else {
        return;
    };
    let message = match off {
        0 => "no example is left for validation",
        off if off >= all => "no example is left for training",
        _ => return,
    };
    problems.push(
        Diagnostic::error(Code::EMPTY_SPLIT, message)
            .at(
                sound.tree.place_of(path!["dataset", "validation", validation.name(), "share"]),
                format!("{share} of {all} examples"),
            )
            .help("`validation: {split: 0.1}` keeps a tenth of the training data for validation"),
    );
}
