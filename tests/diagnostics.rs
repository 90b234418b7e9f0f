//! What the program says of mistakes, word for word.

use std::{fmt::Write, fs};
use trainyard::{check, diagnostic::Renderer};

const HEAD: &str = "version: 1\ndataset:\n  source: digits\n";
const TRAIN: &str = "  train: [{batch: 32}]\n";
const MODEL: &str = "model:\n  layers: [{rescaling: 1/255}, flatten, {dense: 10}]\n";
const TRAINING: &str = "training: {loss: sparse_categorical_crossentropy, epochs: 2}\n";

/// Everything that is said of a pipeline.
fn said(content: &str, sets: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.yaml");
    fs::write(&file, content).unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let checked = check::check(&file, &sets, None);
    let mut text = String::new();
    for problem in &checked.problems {
        writeln!(text, "{}\n", Renderer::plain().render(&checked.sources, problem)).unwrap();
    }
    text.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn syntax_and_schema() {
    let cases = [
        ("nothing", String::new()),
        ("a tab", "version: 1\ndataset:\n\tsource: digits\n".to_owned()),
        ("not YAML", "version: 1\ndataset: [\n".to_owned()),
        ("a list", "- version: 1\n".to_owned()),
        ("twice", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}version: 1\n")),
        ("missing parts", "version: 1\n".to_owned()),
        ("another version", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("version: 1", "version: 2")),
        ("unknown source", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("digits", "cifar100")),
        ("unknown keys", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}epoch: 5\nnonsense: 1\n")),
        ("arguments not indented", format!("{HEAD}{TRAIN}model:\n  layers:\n    - dense:\n      units: 3\n{TRAINING}")),
        ("two in one item", format!("{HEAD}{TRAIN}model:\n  layers:\n    - flatten:\n      dense: 3\n{TRAINING}")),
        ("a value too many", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("flatten", "{flatten: 2}")),
        ("no value", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}seed:\n")),
        ("quoted number", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("epochs: 2", "epochs: '2'")),
        ("out of range", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}threads: 0\nseed: 0.5\n")),
        ("no such choice", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}precision: float16\ndevice: gpu\n")),
        ("umlauts and width", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}description: \"für 日本\"\nnäme: x\n")),
    ];
    let mut all = String::new();
    for (name, content) in cases {
        writeln!(all, "==== {name}\n{}", said(&content, &[])).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn meaning_and_shapes() {
    let dataset = |stages: &str| format!("{HEAD}  train: {stages}\n{MODEL}{TRAINING}");
    let layers = |layers: &str| format!("{HEAD}{TRAIN}model:\n  layers: {layers}\n{TRAINING}");
    let callback =
        "training:\n  loss: sparse_categorical_crossentropy\n  epochs: 2\n  callbacks:\n    - early_stopping: ";
    let validated = HEAD.replace("digits\n", "digits\n  validation: test\n");
    let cases = [
        ("no batch", dataset("[cache, shuffle]")),
        ("two batches", dataset("[{batch: 2}, {batch: 3}]")),
        ("shuffled batches", dataset("[{batch: 2}, shuffle]")),
        ("frozen order", dataset("[shuffle, cache, {batch: 2}]")),
        ("small buffer", dataset("[{shuffle: 100}, {batch: 2}]")),
        ("all dropped", dataset("[{batch: {batch_size: 2000, drop_remainder: true}}]")),
        ("shuffled evaluation", format!("{HEAD}{TRAIN}  evaluate: [shuffle, {{batch: 2}}]\n{MODEL}{TRAINING}")),
        ("validated on the test split", format!("{validated}{TRAIN}{MODEL}{callback}{{patience: 2}}\n")),
        ("nothing to monitor", format!("{HEAD}{TRAIN}{MODEL}{callback}{{monitor: val_loss}}\n")),
        ("wrong mode", format!("{validated}{TRAIN}{MODEL}{callback}{{monitor: val_accuracy, mode: min}}\n")),
        (
            "unknown expectation",
            format!("{HEAD}{TRAIN}{MODEL}{TRAINING}expect: {{test_acc: {{min: 1}}, loss: {{}}}}\n"),
        ),
        ("unknown code", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}allow: [validation-on-tset]\n")),
        ("unscaled", layers("[flatten, {dense: 10}]")),
        ("dense on images", layers("[{rescaling: 1/255}, {dense: 10}]")),
        ("too small", layers("[{rescaling: 1/255}, {max_pooling2d: 5}, {max_pooling2d: 5}, flatten, {dense: 10}]")),
        ("classes", layers("[{rescaling: 1/255}, flatten, {dense: 12}]")),
        ("no classes", layers("[{rescaling: 1/255}]")),
        (
            "logits",
            format!("{HEAD}{TRAIN}{MODEL}{TRAINING}")
                .replace("sparse_categorical_crossentropy", "{sparse_categorical_crossentropy: {from_logits: false}}"),
        ),
    ];
    let mut all = String::new();
    for (name, content) in cases {
        writeln!(all, "==== {name}\n{}", said(&content, &[])).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn overrides() {
    let sound = format!("{HEAD}{TRAIN}{MODEL}{TRAINING}");
    let mut all = String::new();
    for set in [
        "training.epochs=5",
        "model.layers[2].dense.units=7",
        "training.epoch=5",
        "training.epochs=many",
        "training.epochs",
        "model.layers[9].dense=1",
        "model.layers[x]=1",
        "training.epochs.more=1",
        "model.layers=[flatten, {dense: ten}]",
        ".a=1",
    ] {
        writeln!(all, "==== --set {set}\n{}", said(&sound, &[set])).unwrap();
    }
    insta::assert_snapshot!(all);
}
