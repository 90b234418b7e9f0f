//! A pipeline that is interrupted, and what must be the same however often it was.

use super::Bench;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

/// A pipeline with everything that has a state: dropout, moving averages, augmentation, a callback that keeps the best weights.
pub const NET: &str = "\
version: 1
name: net
seed: 3
threads: 2
dataset:
  source: digits
  validation: {split: 0.2}
  train: [cache, shuffle: 200, augment: [random_flip: horizontal], {batch: 64}, prefetch]
model:
  layers:
    - rescaling: {scale: 1/255}
    - conv2d: {filters: 8, kernel_size: 3, padding: same, activation: relu}
    - batch_normalization
    - max_pooling2d
    - dropout: 0.2
    - flatten
    - dense: 10
training:
  loss: sparse_categorical_crossentropy
  epochs: 5
  checkpoint: {steps: 7}
  callbacks:
    - early_stopping: {monitor: val_loss, patience: 4, restore_best_weights: true}
";

/// What must be the same bytes, however often a run was interrupted.
pub const SAME: [&str; 3] = ["model.safetensors", "predictions.parquet", "losses.f32"];

/// The history without what hangs on the clock.
pub fn history(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    text.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",")).collect()
}

pub fn assert_same(run: &Path, reference: &Path, what: &str) {
    for name in SAME {
        assert!(fs::read(run.join(name)).unwrap() == fs::read(reference.join(name)).unwrap(), "{what}: {name} differs");
    }
    assert_eq!(history(run), history(reference), "{what}");
}

pub fn info(run: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap()
}

/// What lets a run train one epoch more than it has: `training.epochs=3`.
pub fn one_more(run: &Path) -> String {
    format!("training.epochs={}", info(run)["training"]["epochs_done"].as_u64().unwrap() + 1)
}

/// The runs in `runs/NAME`, the first one first.
pub fn runs(bench: &Bench, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.path("runs").join(name)).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort_by_key(|run| fs::metadata(run.join("pipeline.yaml")).and_then(|it| it.modified()).ok());
    found
}

pub fn only_run(bench: &Bench) -> PathBuf {
    let mut found = runs(bench, "net");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// Waits until a run that `child` makes of `NET` has a checkpoint of that number, from 1.
pub fn wait_for_checkpoint(bench: &Bench, child: &mut Child, number: u32) -> PathBuf {
    let begin = Instant::now();
    loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        let checkpoint = format!("checkpoint/{number:06}");
        if let Some(run) = runs(bench, "net").into_iter().find(|run| run.join(&checkpoint).is_dir()) {
            return run;
        }
        assert!(begin.elapsed() < Duration::from_secs(300), "no checkpoint");
        sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, such as `-INT`.
pub fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// An uninterrupted run of `NET`.
pub fn reference(sets: &[&str]) -> (Bench, PathBuf) {
    trained(NET, sets)
}

/// An uninterrupted run of a pipeline that is called `net`.
pub fn trained(text: &str, sets: &[&str]) -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.write("net.yaml", text);
    let mut arguments = vec!["run", "--quiet", "net.yaml"];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    let (code, _, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let run = only_run(&bench);
    (bench, run)
}
