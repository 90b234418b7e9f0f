//! What the program says of mistakes, word for word.

use std::{fmt::Write, fs, sync::atomic::AtomicBool};
use trainyard::{
    check::{self, Options},
    diagnostic::{Code, Example, Renderer},
    source::Surroundings,
};

const HEAD: &str = "version: 1\ndataset:\n  source: digits\n";
const TRAIN: &str = "  train: [shuffle, {batch: 32}]\n";
const MODEL: &str = "model:\n  layers: [{rescaling: 1/255}, flatten, {dense: 10}]\n";
const TRAINING: &str = "training: {loss: sparse_categorical_crossentropy, epochs: 2}\n";

/// What no pipeline alone can bring about: it takes a server, a damaged file, a run, or training.
const WITHOUT_EXAMPLE: [&str; 6] = ["bad-data", "download", "bad-image", "bad-run", "computation", "not-finite"];

/// Tries out an example: all that is said of it, and the codes.
fn tried(example: &Example) -> (String, Vec<Code>) {
    let home = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        data_directory: Some(home.path().to_owned()),
        cache_directory: home.path().to_owned(),
        progress: &|_| (),
        stop: &AtomicBool::new(false),
    };
    let all = check::try_out(example, Some(&surroundings)).unwrap();
    let (mut text, mut codes) = (String::new(), Vec::new());
    for checked in &all {
        for problem in &checked.problems {
            writeln!(text, "{}\n", Renderer::plain().render(&checked.sources, problem)).unwrap();
            codes.push(problem.code);
        }
    }
    (text, codes)
}

/// Every code has an example that fails with it and a repaired one that passes; what is said stands in a snapshot.
#[test]
fn every_code_has_an_example_that_fails_and_a_repaired_one() {
    for code in Code::all() {
        let Some((wrong, right)) = code.example() else {
            assert!(WITHOUT_EXAMPLE.contains(&code.name()), "`{}` has no example", code.name());
            continue;
        };
        let (said, codes) = tried(&wrong);
        assert!(codes.contains(&code), "the example of `{}` fails with {codes:?}:\n{said}", code.name());
        // Only what may be a warning can be allowed.
        assert!(code.is_allowable() || said.contains(&format!("error[{}]", code.name())), "{said}");
        let (rest, codes) = tried(&right);
        assert!(codes.is_empty(), "the repaired example of `{}`:\n{rest}", code.name());
        let (Example::Pipeline(body) | Example::Command(body)) = &wrong;
        insta::with_settings!({ description => body, omit_expression => true, filters => vec![
            (r"there are [0-9.]+ [KMGTP]iB", "there are [MEMORY]"),
        ] }, {
            insta::assert_snapshot!(format!("code-{}", code.name()), said);
        });
    }
}

/// Everything that is said of a pipeline.
fn said(content: &str, sets: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.yaml");
    fs::write(&file, content).unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let checked = check::check(&file, &Options { sets: &sets, ..Options::default() });
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
