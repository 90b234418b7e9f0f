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

/// What no pipeline alone can bring about: it takes a server, files of one's own, a run, or training.
const WITHOUT_EXAMPLE: [&str; 16] = [
    "bad-data",
    "download",
    "data-changed",
    "bad-image",
    "not-images",
    "unused-split",
    "absent-class",
    "interrupted",
    "bad-run",
    "cannot-resume",
    "bad-lock",
    "lock-drift",
    "computation",
    "not-finite",
    "world-size",
    "rank-failed",
];

/// Tries out an example of `code`: all that is said of it, and the codes. How many processors this machine has shows in one of them
/// only.
fn tried(example: &Example, code: Code) -> (String, Vec<Code>) {
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
        let told = |other: Code| other == code || other != Code::TOO_MANY_THREADS;
        for problem in checked.problems.iter().filter(|problem| told(problem.code)) {
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
        let (said, codes) = tried(&wrong, code);
        assert!(codes.contains(&code), "the example of `{}` fails with {codes:?}:\n{said}", code.name());
        // Only what may be a warning can be allowed.
        assert!(code.is_allowable() || said.contains(&format!("error[{}]", code.name())), "{said}");
        let (rest, codes) = tried(&right, code);
        assert!(codes.is_empty(), "the repaired example of `{}`:\n{rest}", code.name());
        let (Example::Pipeline(body) | Example::Command(body)) = &wrong;
        insta::with_settings!({ description => body, omit_expression => true, filters => vec![
            (r"there are [0-9.]+ [KMGTP]iB", "there are [MEMORY]"),
            (r"looked for .*", "looked for [PLACES]"),
            (r"and [0-9]+ processors", "and [COUNT] processors"),
            (r"`auto` is [0-9]+", "`auto` is [COUNT]"),
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
        ("unknown source", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("digits", "cifar1000")),
        ("unknown keys", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}epoch: 5\nnonsense: 1\n")),
        ("arguments not indented", format!("{HEAD}{TRAIN}model:\n  layers:\n    - dense:\n      units: 3\n{TRAINING}")),
        ("two in one item", format!("{HEAD}{TRAIN}model:\n  layers:\n    - flatten:\n      dense: 3\n{TRAINING}")),
        ("a value too many", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("flatten", "{flatten: 2}")),
        ("no value", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}seed:\n")),
        ("quoted number", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("epochs: 2", "epochs: '2'")),
        ("out of range", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}threads: 0\nseed: 0.5\n")),
        (
            "expectations out of range",
            format!(
                "{HEAD}{TRAIN}{MODEL}{TRAINING}expect:\n  test_accuracy: {{max_drop: -0.1, tolerance: -1, inconclusive: maybe, \
                 against: ''}}\n"
            ),
        ),
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
        (
            "odd expectations",
            format!(
                "{HEAD}{TRAIN}{MODEL}{TRAINING}expect:\n  test_accuracy: {{min: 0.7, against: previous, tolerance: 0.01}}\n  \
                 test_loss: {{min: 2, max: 1}}\n  loss: {{tolerance: 0.1, inconclusive: fail}}\n  accuracy: {{max_drop: 2}}\n"
            ),
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

/// What is wrong within a preset is told at the line that names it.
#[test]
fn presets_and_tokens() {
    let layers = |layers: &str| format!("{HEAD}{TRAIN}model:\n  layers: {layers}\n{TRAINING}");
    let cases = [
        ("no such depth", layers("[{rescaling: 1/255}, {resnet: 19}]")),
        ("a depth in words", layers("[{rescaling: 1/255}, {resnet: {depth: fifty}}]")),
        ("too small for it", layers("[{rescaling: 1/255}, {vgg: {depth: 16, classes: 10}}]")),
        ("behind a vector", layers("[{rescaling: 1/255}, flatten, {repeat: {times: 2, layers: [{vit: tiny}]}}]")),
        ("classes of another source", layers("[{rescaling: 1/255}, {resnet: {depth: 20, classes: 100}}]")),
        (
            "features that don't fit",
            layers(
                "[{rescaling: 1/255}, {patch_embedding: {patch_size: 4, embed_dim: 16}}, \
             {transformer_block: {embed_dim: 12, num_heads: 2}}, global_average_pooling1d, {dense: 10}]",
            ),
        ),
        ("no tokens", layers("[{rescaling: 1/255}, class_token, first_token, {dense: 10}]")),
        (
            "patches too large",
            layers("[{rescaling: 1/255}, {patch_embedding: {patch_size: 3, embed_dim: 16}}, first_token, {dense: 10}]"),
        ),
    ];
    let mut all = String::new();
    for (name, content) in cases {
        writeln!(all, "==== {name}\n{}", said(&content, &[])).unwrap();
    }
    insta::assert_snapshot!(all);
}

/// Arguments of training that are sound each by itself.
#[test]
fn training() {
    let trained = |keys: &str| format!("{HEAD}{TRAIN}{MODEL}training:\n  epochs: 9\n{keys}");
    let loss = "  loss: sparse_categorical_crossentropy\n";
    let binary = |layers: &str| {
        let model = format!("model:\n  layers: [{{rescaling: 1/255}}, flatten, {layers}]\n");
        format!("{HEAD}{TRAIN}{model}training: {{loss: binary_crossentropy, epochs: 2}}\n")
    };
    let cases = [
        ("clipped twice", trained(&format!("{loss}  optimizer: {{rmsprop: {{clipnorm: 1, clipvalue: 0.5}}}}\n"))),
        (
            "no such bias",
            trained(&format!(
                "{loss}  optimizer: {{sgd: {{weight_decay: 0.1, exclude_from_weight_decay: ['*.beta']}}}}\n"
            )),
        ),
        ("steps of one batch", trained(&format!("{loss}  optimizer: {{lion: {{gradient_accumulation_steps: 1}}}}\n"))),
        ("more classes than there are", trained(&format!("{loss}  metrics: [{{top_k_categorical_accuracy: 12}}]\n"))),
        ("no time", trained(&format!("{loss}  callbacks: [time_limit: 0]\n"))),
        ("another name of a metric", trained(&format!("{loss}  metrics: [mcc, macro_f1, f1_score]\n"))),
        (
            "callbacks that look at nothing or never act",
            trained(&format!(
                "{loss}  callbacks:\n    - reduce_lr_on_plateau: {{monitor: loss, patience: 20}}\n    - target_metric: 0.9\n    \
                 - model_checkpoint: {{monitor: val_auc, save_best_only: true}}\n"
            )),
        ),
        (
            "averages for nothing",
            trained(&format!(
                "{loss}  optimizer: {{sgd: {{use_ema: true}}}}\n  callbacks: [early_stopping: {{monitor: loss, \
                 restore_best_weights: true}}]\n"
            )),
        ),
        ("a frequency for nothing", trained(&format!("{loss}  optimizer: {{sgd: {{ema_overwrite_frequency: 9}}}}\n"))),
        ("softmax before a yes or no", binary("{dense: {units: 10, activation: softmax}}")),
        ("a single unit for ten classes", binary("{dense: 1}")),
    ];
    let mut all = String::new();
    for (name, content) in cases {
        writeln!(all, "==== {name}\n{}", said(&content, &[])).unwrap();
    }
    insta::assert_snapshot!(all);
}

/// What is for classes where numbers are predicted, and the other way round.
#[test]
fn regression() {
    let table = "version: 1\ndataset:\n  source: {table: {train: t.csv, test: {split: 0.2}, label_column: price, task: regression}}\n";
    let rows = |layers: &str, training: &str| {
        format!("{table}{TRAIN}model:\n  layers: {layers}\ntraining:\n  epochs: 2\n{training}")
    };
    let numbers = "  loss: mean_squared_error\n";
    let one = "[normalization, {dense: 1}]";
    let cases = [
        ("sound", rows(one, numbers)),
        ("a loss of classes", rows(one, "  loss: binary_crossentropy\n")),
        ("a loss of numbers", format!("{HEAD}{TRAIN}{MODEL}training: {{loss: mean_absolute_error, epochs: 2}}\n")),
        ("no task", rows(one, numbers).replace(", task: regression", "")),
        ("metrics of classes", rows(one, &format!("{numbers}  metrics: [accuracy, r2_score, auc]\n"))),
        (
            "a metric of numbers",
            format!(
                "{HEAD}{TRAIN}{MODEL}training:\n  loss: sparse_categorical_crossentropy\n  epochs: 2\n  metrics: [rmse, r2_score]\n"
            ),
        ),
        (
            "steps of classes",
            format!("{}evaluation: [metrics, confusion_matrix, saliency, data]\n", rows(one, numbers)),
        ),
        ("a step of numbers", format!("{HEAD}{TRAIN}{MODEL}{TRAINING}evaluation: [residuals]\n")),
        ("weights of classes", rows(one, &format!("{numbers}  class_weight: balanced\n"))),
        ("a softmax", rows("[normalization, {dense: {units: 1, activation: softmax}}]", numbers)),
        ("dropout at the end", rows("[normalization, {dense: 1}, {dropout: 0.1}]", numbers)),
        (
            "expectations of classes, and out of reach",
            format!(
                "{}expect:\n  test_macro_f1: {{min: 0.5}}\n  test_r2_score: {{min: 2}}\n  test_mean_absolute_error: {{min: -1}}\n",
                rows(one, numbers)
            ),
        ),
        (
            "a figure of classes to monitor",
            rows(
                one,
                &format!(
                    "{numbers}  callbacks: [target_metric: 0.9, early_stopping: {{monitor: mean_absolute_error, mode: max}}]\n"
                ),
            ),
        ),
        ("another task", rows(one, numbers).replace("task: regression", "task: regresion")),
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

/// Mistakes of ten kinds in one phase are ten complaints.
#[test]
fn ten_mistakes_of_one_phase_are_ten_complaints() {
    let schema = "\
version: 2
sead: 1
threads: 0
device: gpu
dataset:
  source: digit
  train: [shufle, {batch: 0}]
model:
  layers:
    - rescaling: 1/0
    - dense: {units: 10, activation: rellu}
    - conv2d: {filters: 3}
training: {loss: sparse_categorical_crossentropy, epochs: many}
";
    let meaning = "\
version: 1
allow: [nothing]
dataset:
  source: digits
  validation: test
  train: [{batch: 2000}, shuffle, cache]
  evaluate: [shuffle, {batch: 32}]
model:
  layers: [flatten, {dense: {units: 64}}, {dense: {units: 12, activation: relu}}, {dropout: 0.5}]
training:
  loss: sparse_categorical_crossentropy
  epochs: 5
  optimizer: {adam: {learning_rate: 3}}
  callbacks: [early_stopping: {monitor: val_acc}, early_stopping: {patience: 9}]
expect: {test_accuracy: {min: 70}}
";
    let shapes = "\
version: 1
dataset: {source: digits, train: [shuffle, {batch: 32}]}
model:
  layers:
    - rescaling: 1/255
    - residual: [conv2d: {filters: 4, kernel_size: 3}]
    - branches: [[dense: 4], [max_pooling2d: 9], []]
    - dense: 10
    - conv2d: {filters: 4, kernel_size: 3}
training: {loss: sparse_categorical_crossentropy, epochs: 5}
";
    let mut all = String::new();
    for (name, content, least) in [("schema", schema, 10), ("meaning", meaning, 10), ("shapes", shapes, 4)] {
        let said = said(content, &[]);
        let count = said.matches("error[").count() + said.matches("warning[").count();
        assert!(count >= least, "{count} in:\n{said}");
        writeln!(all, "==== {name}\n{said}").unwrap();
    }
    insta::assert_snapshot!(all);
}

/// Files that extend each other, aliases and merge keys: what is wrong is shown where it stands and where it is used.
#[test]
fn places_survive_extends_and_aliases() {
    let directory = tempfile::tempdir().unwrap();
    let base = format!("{HEAD}  validaton: test\n{TRAIN}{TRAINING}").replace("epochs: 2", "epochs: 0");
    fs::write(directory.path().join("base.yaml"), base).unwrap();
    fs::write(directory.path().join("middle.yaml"), "extends: base.yaml\ndataset: {train: [{batch: many}]}\n").unwrap();
    let own = "\
extends: middle.yaml
model:
  layers:
    - rescaling: 1/255
    - conv2d: &conv
        filters: 8
        kernel_size: 3
        activaton: relu
    - conv2d: *conv
    - conv2d: {<<: *conv, filters: none}
    - flatten
    - dense: *dens
";
    let file = directory.path().join("own.yaml");
    let mut all = String::new();
    for content in [own.to_owned(), own.replace("*dens", "10"), "extends: [a]\n".to_owned(), "<<: 3\n".to_owned()] {
        fs::write(&file, content).unwrap();
        let checked = check::check(&file, &Options::default());
        for problem in &checked.problems {
            writeln!(all, "{}\n", Renderer::plain().render(&checked.sources, problem)).unwrap();
        }
        writeln!(all, "====").unwrap();
    }
    insta::assert_snapshot!(all.replace(&format!("{}/", directory.path().display()), ""));
}

/// What a parser would say in its own words.
#[test]
fn broken_yaml() {
    let mut all = String::new();
    for (name, content) in [
        ("no blank behind a colon", "version: 1\ntraining:\n  epochs:30\n  loss: x\n"),
        ("no blank behind a dash", "version: 1\ndataset:\n  train:\n    -shuffle\n    - batch: 2\n"),
        ("a line too deep", "version: 1\n  seed: 2\n"),
        ("a line not deep enough", "dataset:\n    source: digits\n  train: [shuffle]\n"),
        ("an item not deep enough", "dataset:\n  train:\n    - shuffle\n   - batch: 2\n"),
        ("an item too deep", "dataset:\n  train:\n    - cache\n      - shuffle\n"),
        ("a colon in text", "description: this: that\n"),
        ("an open brace", "model:\n  layers:\n    - rescaling: {scale: 1/255\n    - flatten\n"),
        ("an open quote", "name: \"digits\nseed: 1\n"),
        ("a key without a colon", "version: 1\ntraining\n  epochs: 3\n"),
        ("an unknown anchor", "a: &conv {b: 1}\nc: *cnv\n"),
        ("a tag", "seed: !!int 3\n"),
        ("two documents", "version: 1\n---\nversion: 1\n"),
        ("a list as a key", "[a, b]: 1\n"),
        ("a null character", "seed: \0\n"),
        ("a percent sign", "version: 1\n%YAML 1.2\n"),
        ("no blank in a flow", "training: {epochs:3}\n"),
        ("percent", "training: {epochs: 50%}\n"),
    ] {
        writeln!(all, "==== {name}\n{}", said(content, &[])).unwrap();
    }
    insta::assert_snapshot!(all);
}

/// Byte-order marks and Windows' line ends change no place.
#[test]
fn marks_and_line_ends_change_nothing() {
    let wrong = format!("{HEAD}{TRAIN}{MODEL}{TRAINING}").replace("flatten", "flaten");
    let plain = said(&wrong, &[]);
    assert_eq!(said(&format!("\u{feff}{wrong}"), &[]), plain);
    assert_eq!(said(&wrong.replace('\n', "\r\n"), &[]), plain);
}

/// Every pipeline and every template, resolved, is a pipeline that resolves to itself.
#[test]
fn a_resolved_pipeline_resolves_to_itself() {
    let mut count = 0;
    for directory in ["pipelines", "templates/pipelines"] {
        for entry in fs::read_dir(format!("{}/{directory}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|ending| ending == "lock") {
                continue;
            }
            let resolve = |file: &std::path::Path| {
                let checked = check::check(file, &Options::default());
                checked.pipeline.unwrap_or_else(|| panic!("{}: {:?}", file.display(), checked.problems)).pipeline
            };
            let once = resolve(&file);
            let directory = tempfile::tempdir().unwrap();
            let resolved = directory.path().join("resolved.yaml");
            fs::write(&resolved, once.to_yaml()).unwrap();
            assert_eq!(resolve(&resolved), once, "{}", file.display());
            count += 1;
        }
    }
    assert!(count >= 6);
}

#[test]
fn strategies() {
    let content = format!("{HEAD}{TRAIN}{MODEL}{TRAINING}");
    let two = "strategy={data_parallel: {processes: 2, threads_per_process: 1}}";
    let nccl = "strategy={data_parallel: {processes: 1, backend: nccl}}";
    let cases: [(&str, &[&str]); 8] = [
        ("sound", &["strategy=data_parallel"]),
        ("one process is like none", &["strategy={data_parallel: 1}", "device=cuda:1"]),
        ("a single accelerator", &["strategy=data_parallel", "device=cuda:1"]),
        ("no backend", &["strategy=data_parallel", "device=mps"]),
        ("not for processors, though there be one", &[nccl, "device=cpu"]),
        ("threads twice", &[two, "threads=2"]),
        ("out of range", &["strategy={data_parallel: {processes: 0, timeout: 0, backend: mpi}}"]),
        ("unknown argument", &["strategy={data_parallel: {world_size: 2}}"]),
    ];
    let mut all = String::new();
    for (name, sets) in cases {
        writeln!(all, "==== {name}\n{}", said(&content, sets)).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn numbers_with_words_and_units_and_precisions() {
    let content = format!("{HEAD}{TRAIN}{MODEL}{TRAINING}");
    let cases: [(&str, &[&str]); 5] = [
        ("no process", &["strategy.data_parallel=0"]),
        ("minutes", &["strategy={data_parallel: {timeout: 5m}}"]),
        ("for GPUs", &["device=cpu", "precision=mixed_float16"]),
        ("only for GPUs", &["device=cpu", "precision=tensor_float32"]),
        ("wherever it runs", &["device=auto", "precision=tensor_float32"]),
    ];
    let mut all = String::new();
    for (name, sets) in cases {
        writeln!(all, "==== {name}\n{}", said(&content, sets)).unwrap();
    }
    insta::assert_snapshot!(all);
}
