//! Several processes train with the real program what one would.

mod bench;

use bench::{
    Bench,
    net::{assert_same, history, info, runs},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Dropout, augmentation, class weights, costs of weights, and a last batch that nobody can divide: 62 examples.
const NET: &str = "\
version: 1
name: net
seed: 3
threads: 2
dataset:
  source: digits
  validation: {split: 0.2}
  train:
    - cache
    - shuffle: 200
    - augment: [{random_translation: {height_factor: 0.1, width_factor: 0.1}}, {gaussian_noise: {stddev: 5}}]
    - batch: 64
    - prefetch
  evaluate: [{batch: 50}]
model:
  layers:
    - rescaling: {scale: 1/255}
    - conv2d: {filters: 8, kernel_size: 3, padding: same, activation: relu, kernel_regularizer: {l2: 0.001}}
    - max_pooling2d
    - dropout: 0.2
    - flatten
    - dense: 10
training:
  loss: sparse_categorical_crossentropy
  optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
  metrics: [accuracy, auc]
  class_weight: balanced
  epochs: 3
evaluation: [classification_report, metrics]
";

fn run(bench: &Bench, processes: usize, sets: &[&str]) -> PathBuf {
    let strategy = format!("strategy={{data_parallel: {{processes: {processes}}}}}");
    let mut arguments = vec!["run", "--quiet", "net.yaml"];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    if processes > 1 {
        arguments.extend(["--set", strategy.as_str()]);
    }
    let (code, _, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
    runs(bench, "net").pop().unwrap()
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    bench
}

fn losses(run: &Path) -> Vec<f32> {
    let bytes = fs::read(run.join("losses.f32")).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The numbers of a history or an evaluation.
fn metrics(run: &Path) -> BTreeMap<String, f64> {
    let text = fs::read(run.join("evaluation.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let metrics = record["metrics"].as_object().unwrap().iter().chain(record["figures"].as_object().unwrap());
    metrics.map(|(name, value)| (name.clone(), value.as_f64().unwrap())).collect()
}

fn assert_near(one: f64, other: f64, what: &str) {
    assert!((one - other).abs() <= 1e-5 * one.abs().max(1.0), "{what}: {one} and {other}");
}

#[test]
fn two_and_four_processes_give_the_curve_of_one() {
    let bench = bench();
    let one = run(&bench, 1, &[]);
    let alone = losses(&one);
    assert_eq!(alone.len(), 54);
    for processes in [2, 4] {
        let several = run(&bench, processes, &[]);
        let what = |figure: &str| format!("{figure} of {processes} processes");
        let together = losses(&several);
        assert_eq!(together.len(), 54);
        for (step, (one, other)) in alone.iter().zip(&together).enumerate() {
            assert_near(f64::from(*one), f64::from(*other), &what(&format!("the loss of step {step}")));
        }
        for (one, other) in history(&one).iter().zip(history(&several)).skip(1) {
            for (one, other) in one.split(',').zip(other.split(',')) {
                assert_near(one.parse().unwrap(), other.parse().unwrap(), &what("the history"));
            }
        }
        let (expected, found) = (metrics(&one), metrics(&several));
        assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
        for (name, value) in &expected {
            assert_near(*value, found[name], &what(name));
        }
        assert_eq!(info(&several)["training"]["steps_done"], 54);
    }
}

#[test]
fn what_several_evaluate_is_what_one_does_bit_by_bit() {
    let bench = bench();
    // Eight batches for three, the last of 10 examples.
    let sets = ["strategy={data_parallel: {processes: 3, threads_per_process: 2}}", "training.epochs=1"];
    let run = run(&bench, 1, &sets);
    let files = ["predictions.parquet", "evaluation.json"].map(|name| run.join(name));
    let before = files.clone().map(|file| fs::read(file).unwrap());
    let (code, _, stderr) = bench.call(&["evaluate", run.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert!(before == files.map(|file| fs::read(file).unwrap()));
}

#[test]
fn resumed_with_as_many_processes_it_gives_the_same_bytes() {
    let bench = bench();
    let whole = run(&bench, 2, &[]);
    let first = run(&bench, 2, &["training.epochs=2"]);
    assert_eq!(info(&first)["training"]["epochs_done"], 2);
    let arguments = ["run", "--quiet", "--resume", "last", "--set", "training.epochs=3", "--allow", "training.epochs"];
    let (code, _, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let resumed = runs(&bench, "net").pop().unwrap();
    assert_same(&resumed, &whole, "resumed");
    // A process more or less gives other last digits.
    let again = run(&bench, 2, &[]);
    assert!(fs::read(whole.join("model.safetensors")).unwrap() == fs::read(again.join("model.safetensors")).unwrap());
    assert_ne!(losses(&whole), losses(&run(&bench, 1, &[])));
}
