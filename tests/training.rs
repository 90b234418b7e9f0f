//! Drives the real program through recipes: losses, metrics, callbacks, what is watched, the range test.

mod bench;

use bench::{Bench, SMALL};
use serde_json::Value;
use std::{fs, path::PathBuf};

/// Runs `small.yaml` with changes; gives its directory and what stood on stderr.
fn run(bench: &Bench, sets: &[&str]) -> (PathBuf, String) {
    let mut arguments = vec!["run", "small.yaml"];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    let (code, stdout, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let report = stdout.lines().find_map(|line| line.strip_prefix("report: ")).unwrap();
    (bench.path(report).parent().unwrap().to_owned(), stderr)
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A column of `history.csv`.
fn column(run: &std::path::Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|column| column == name).unwrap_or_else(|| panic!("{text}"));
    lines.map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

#[test]
fn callbacks_lower_the_rate_keep_weights_and_say_why_they_stop() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    // Nothing is ever better by a hundred.
    let callbacks = "training.callbacks=[{reduce_lr_on_plateau: {patience: 1, factor: 0.9, min_delta: 100}}, \
                     {model_checkpoint: {monitor: val_accuracy, save_best_only: true}}, {target_metric: 0.5}]";
    let (of_run, stderr) = run(&bench, &["training.epochs=20", callbacks]);
    let info = json(of_run.join("run.json"));
    assert_eq!(info["training"]["stop_reason"], "val_accuracy came to 0.5", "{info}");
    assert!(stderr.contains("stopped early: val_accuracy came to 0.5"), "{stderr}");
    assert!(fs::read_to_string(of_run.join("report.html")).unwrap().contains("val_accuracy came to 0.5"));
    let accuracy = column(&of_run, "val_accuracy");
    assert!(accuracy.len() > 1 && accuracy.len() < 20, "{accuracy:?}");
    assert!(accuracy.iter().rev().skip(1).all(|accuracy| *accuracy < 0.5), "{accuracy:?}");
    // The first epoch is the best so far; behind each later one the rate is lowered.
    for (epoch, rate) in column(&of_run, "learning_rate").into_iter().enumerate() {
        let wanted = 0.001 * 0.9f64.powi(epoch.saturating_sub(1) as i32);
        assert!((rate / wanted - 1.0).abs() < 1e-9, "epoch {epoch}: {rate}, not {wanted}");
    }
    let read = |name: &str| fs::read(of_run.join(name)).unwrap();
    assert_eq!(read("best-val_accuracy.safetensors"), read("model.safetensors"));
}

#[test]
fn a_time_that_is_over_ends_training_after_an_epoch() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    let callbacks = "training.callbacks=[{time_limit: 0.000001}, model_checkpoint]";
    let (of_run, _) = run(&bench, &["training.epochs=9", callbacks]);
    let info = json(of_run.join("run.json"));
    assert_eq!(info["training"]["epochs_done"], 1);
    assert!(info["training"]["stop_reason"].as_str().unwrap().starts_with("another epoch would take more"), "{info}");
    assert!(of_run.join("epoch-0001.safetensors").exists() && !of_run.join("epoch-0002.safetensors").exists());
}

/// Metrics while training are those that the evaluation has of the same examples.
#[test]
fn metrics_and_what_is_watched_are_recorded_and_shown() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL.replace("dense: 10}", "dense: {units: 16, activation: relu}}, {dense: 10}"));
    let metrics = "training.metrics=[accuracy, {top_k_categorical_accuracy: 5}, {precision: weighted}, recall, f1_score, auc, \
                   balanced_accuracy, cohen_kappa, matthews_correlation]";
    let sets = [
        metrics,
        "evaluation=[metrics, {top_k: [5]}]",
        "training.watch=[gradient_norm, dead_activations]",
        "training.optimizer.adam.learning_rate=0.005",
        "expect.test_macro_f1.min=0.1",
    ];
    let (of_run, _) = run(&bench, &sets);
    let evaluation = json(of_run.join("evaluation.json"));
    for name in [
        "top_5_accuracy",
        "weighted_precision",
        "macro_recall",
        "macro_f1",
        "macro_roc_auc",
        "balanced_accuracy",
        "cohen_kappa",
        "matthews_correlation",
    ] {
        let name = format!("test_{name}");
        let (ours, theirs) = (&evaluation["metrics"][&name], &evaluation["figures"][&name]);
        assert!((ours.as_f64().unwrap() - theirs.as_f64().unwrap()).abs() < 1e-9, "{name}: {ours} and {theirs}");
    }
    assert!(column(&of_run, "val_macro_roc_auc").iter().all(|area| *area > 0.5));
    let (all, of_first) = (column(&of_run, "gradient_norm"), column(&of_run, "gradient_norm[dense]"));
    assert!(all.iter().zip(&of_first).all(|(all, one)| *one > 0.0 && all > one), "{all:?} {of_first:?}");
    let dead = column(&of_run, "dead_activations[dense]");
    assert!(dead.iter().all(|share| (0.0..=1.0).contains(share)) && dead == column(&of_run, "dead_activations"));
    let report = fs::read_to_string(of_run.join("report.html")).unwrap();
    assert!(report.contains("<section id=\"training-dynamics\"") && report.contains("Norm of the gradients"));
}

#[test]
fn every_loss_trains() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    for loss in ["categorical_crossentropy", "binary_crossentropy", "categorical_focal_crossentropy"] {
        let loss = format!("training.loss={loss}");
        let sets = [
            &loss,
            "training.epochs=12",
            "training.optimizer.adam.learning_rate=0.01",
            "training.class_weight=balanced",
        ];
        let (of_run, _) = run(&bench, &sets);
        let evaluation = json(of_run.join("evaluation.json"));
        let accuracy = evaluation["metrics"]["test_accuracy"].as_f64().unwrap();
        assert!(accuracy > 0.85, "{loss}: {accuracy}");
    }
}

#[test]
fn a_single_output_tells_two_classes_apart() {
    let bench = Bench::new();
    let rows = (0..200).map(|row| {
        let x = f64::from(row % 20) / 10.0 - 1.0;
        format!("{x},{},{}\n", f64::from(row % 7), if x > 0.0 { "yes" } else { "no" })
    });
    bench.write("t.csv", format!("x,noise,kind\n{}", rows.collect::<String>()));
    let pipeline = "\
version: 1
name: small
threads: 1
dataset:
  source: {table: {train: t.csv, test: {split: 0.2}, label_column: kind}}
  train: [shuffle, {batch: 16}]
model:
  layers: [normalization, {dense: 1}]
training:
  loss: binary_crossentropy
  optimizer: {adam: 0.1}
  metrics: [accuracy, auc, f1_score]
  epochs: 10
evaluation: [metrics, classification_report, confusion_matrix, calibration, roc, worst_mistakes]
";
    bench.write("small.yaml", pipeline);
    for layers in ["[normalization, {dense: 1}]", "[normalization, {dense: {units: 1, activation: sigmoid}}]"] {
        let (of_run, _) = run(&bench, &[&format!("model.layers={layers}")]);
        let evaluation = json(of_run.join("evaluation.json"));
        let figure = |name: &str| evaluation["metrics"][name].as_f64().unwrap();
        assert!(figure("test_accuracy") > 0.9 && figure("test_macro_roc_auc") > 0.97, "{evaluation}");
        // The mean of the losses, one of each example, is the loss: so it has an interval.
        assert!(evaluation["intervals"]["test_loss"].is_array(), "{evaluation}");
    }
}

#[test]
fn the_range_test_proposes_a_rate_and_draws_it() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    let (code, stdout, stderr) =
        bench.call(&["lr-find", "small.yaml", "--html", "lr.html", "--json", "--set", "training.optimizer=sgd"]);
    assert_eq!(code, 0, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["key"], "training.optimizer.sgd.learning_rate");
    let suggestion = told["suggestion"].as_f64().unwrap();
    assert!((1e-3..5.0).contains(&suggestion), "{suggestion}");
    assert!(fs::read_to_string(bench.path("lr.html")).unwrap().contains("proposed: "));
    assert!(!bench.path("runs").exists(), "nothing is kept");
    let again = bench.call(&["lr-find", "small.yaml", "--json", "--set", "training.optimizer=sgd"]);
    assert_eq!(serde_json::from_str::<Value>(&again.1).unwrap()["range_test"], told["range_test"]);
    let (_, stdout, _) = bench.call(&["lr-find", "small.yaml", "--steps", "20", "--end-lr", "1e-6"]);
    assert!(stdout.contains("20 steps; the loss, smoothed, was lowest"), "{stdout}");
    let (code, _, stderr) = bench.call(&["lr-find", "small.yaml", "--start-lr", "1", "--end-lr", "0.1"]);
    assert!(code == 2 && stderr.contains("the first rate must be the lower one"), "{stderr}");
}

/// It begins with the weights with which a run would.
#[test]
fn the_range_test_begins_with_the_initial_weights() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    let (of_run, _) = run(&bench, &["training.epochs=10"]);
    fs::copy(of_run.join("model.safetensors"), bench.path("trained.safetensors")).unwrap();
    let first_loss = |sets: &[&str]| {
        let (code, stdout, stderr) =
            bench.call(&[&["lr-find", "small.yaml", "--json", "--steps", "10"], sets].concat());
        assert_eq!(code, 0, "{stderr}");
        let told: Value = serde_json::from_str(&stdout).unwrap();
        told["range_test"]["steps"][0]["loss"].as_f64().unwrap()
    };
    let (fresh, trained) =
        (first_loss(&[]), first_loss(&["--set", "model.initial_weights={file: trained.safetensors}"]));
    assert!(trained < 0.8 * fresh, "{trained} and {fresh}");
}
