//! Tables whose numbers are predicted: the real program from a CSV file to the report, and losses, figures and tests against
//! what Keras, scikit-learn and SciPy give (`tests/parity/generate_regression.py`).

mod bench;

use bench::Bench;
use serde_json::{Value as Json, json};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};
use tch::Tensor;
use trainyard::{
    evaluation::{Answers, Estimates, Metrics, estimates, significance::wilcoxon},
    loss::{Loss, Targets},
    metric::Metric,
    run::{DataInfo, read_answers},
};

/// Prices that are nearly a sum of what a house has.
fn houses() -> String {
    let mut text = "size,rooms,heating,price\n".to_owned();
    for row in 0..240u32 {
        let (size, rooms, heating) = (40 + row * 37 % 160, 1 + row * 7 % 6, ["gas", "oil", "wood"][row as usize % 3]);
        let price = 2 * size + 15 * rooms + if heating == "wood" { 40 } else { 0 } + row * 31 % 11;
        let _ = writeln!(text, "{size},{rooms},{heating},{}.5", price);
    }
    text
}

const HOUSES: &str = "\
version: 1
name: houses
threads: 1
dataset:
  source: {table: {train: houses.csv, test: {split: 0.25}, label_column: price, task: regression}}
  validation: {split: 0.2}
  train: [cache, shuffle, {batch: 16}]
model:
  layers: [normalization, {dense: {units: 16, activation: relu}}, {dense: {units: 1, bias_initializer: {constant: 300}}}]
training:
  loss: mean_squared_error
  optimizer: {adam: {learning_rate: 0.05}}
  metrics: [mean_absolute_error, root_mean_squared_error, r2_score]
  epochs: 12
  callbacks: [early_stopping: {monitor: val_mean_absolute_error, patience: 8, restore_best_weights: true}]
expect:
  test_mean_absolute_error: {max: 25}
  test_r2_score: {min: 0.9}
";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("houses.csv", houses());
    bench.write("houses.yaml", HOUSES);
    bench
}

impl Bench {
    /// Runs the pipeline; gives the run's directory.
    fn run(&self, more: &[&str]) -> PathBuf {
        let (code, stdout, stderr) = self.call(&[&["run", "houses.yaml", "--json", "--quiet"], more].concat());
        assert_eq!(code, 0, "{stdout}{stderr}");
        let result: Json = serde_json::from_str(&stdout).unwrap();
        self.path(result["run"].as_str().unwrap())
    }
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_number_is_predicted_from_a_table_and_all_of_it_is_told() {
    let bench = bench();
    let run = bench.run(&[]);
    let (info, evaluation) = (json(&run.join("run.json")), json(&run.join("evaluation.json")));
    assert_eq!((&info["data"]["target"], &info["data"]["classes"]), (&json!("price"), &json!([])));
    let count = |split: &str| info["data"][split].as_u64().unwrap();
    assert_eq!((count("train"), count("validation"), count("test")), (144, 36, 60));

    let figure = |name: &str| evaluation["metrics"][name].as_f64().unwrap();
    let (mae, rmse, r2) =
        (figure("test_mean_absolute_error"), figure("test_root_mean_squared_error"), figure("test_r2_score"));
    assert!(mae < rmse && r2 > 0.9, "{evaluation}");
    assert!((rmse * rmse - figure("test_loss")).abs() < 1e-3 * figure("test_loss"));
    for name in ["test_mean_absolute_error", "test_root_mean_squared_error", "test_r2_score", "test_loss"] {
        let interval = &evaluation["intervals"][name];
        let (low, high) = (interval[0].as_f64().unwrap(), interval[1].as_f64().unwrap());
        assert!(low < figure(name) && figure(name) < high, "{name}: {interval}");
    }
    let steps: Vec<&String> =
        evaluation["steps"].as_array().unwrap().iter().flat_map(|s| s.as_object().unwrap().keys()).collect();
    assert_eq!(steps, ["metrics", "residuals"]);

    // The same follows from what was said of each row.
    let data: DataInfo = serde_json::from_value(info["data"].clone()).unwrap();
    let Answers::Numbers(said) = read_answers(&run.join("predictions.parquet"), &data).unwrap() else { panic!() };
    assert_eq!(said.len(), 60);
    for name in ["mean_absolute_error", "root_mean_squared_error", "r2_score"] {
        let own = estimates::figure(name).unwrap()(&said, &|_| 1).unwrap();
        assert!((own - figure(&format!("test_{name}"))).abs() < 1e-9 * own.abs(), "{name}: {own}");
    }

    let history = fs::read_to_string(run.join("history.csv")).unwrap();
    assert!(history.lines().next().unwrap().contains("val_mean_absolute_error"), "{history}");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for wanted in ["<section id=\"residuals\"", "Predicted against true", "houses.csv row ", "What is predicted: price"]
    {
        assert!(report.contains(wanted), "{wanted}");
    }
    assert!(!report.contains("Examples of each class"));
    let outcomes = info["expectations"].as_array().unwrap();
    assert!(outcomes.len() == 2 && outcomes.iter().all(|it| it["met"] == true), "{outcomes:?}");

    // Evaluated again it gives the same, and the next run is compared with it.
    let before = fs::read(run.join("evaluation.json")).unwrap();
    assert_eq!(bench.call(&["evaluate", run.to_str().unwrap()]).0, 0);
    assert_eq!(fs::read(run.join("evaluation.json")).unwrap(), before);
    let worse = bench.run(&["--set", "training.epochs=1", "--set", "expect={}"]);
    let previous = &json(&worse.join("run.json"))["previous"];
    assert!(previous["same_data"] == true && previous["p_value"].as_f64().unwrap() < 0.001, "{previous}");
    let (code, stdout, stderr) = bench.call(&["compare", run.to_str().unwrap(), worse.to_str().unwrap()]);
    assert!(code == 0 && stdout.contains("A is nearer than B: a mean absolute error of "), "{stdout}{stderr}");
    let (code, stdout, _) = bench.call(&["runs", "best", "--metric", "test_mean_absolute_error"]);
    assert!(code == 0 && stdout.contains(run.file_name().unwrap().to_str().unwrap()), "{stdout}");

    let (_, listed, _) = bench.call(&["runs", "list"]);
    let headings: Vec<&str> = listed.lines().next().unwrap_or_default().split_whitespace().collect();
    assert!(headings.join(" ").contains("test accuracy test mean absolute error test loss"), "{listed}");
    let (code, stdout, stderr) =
        bench.call(&["run", "houses.yaml", "--set", "expect.test_mean_absolute_error.max=0.01", "--quiet"]);
    assert!(
        code == 3 && stdout.contains("expected test_mean_absolute_error at most 0.01: NOT MET"),
        "{stdout}{stderr}"
    );
    let (code, stdout, _) = bench.call(&["data", "inspect", "houses.yaml"]);
    assert!(code == 0 && stdout.contains("lower quartile") && stdout.contains('#'), "{stdout}");
    let (code, _, stderr) = bench.call(&["check", "houses.yaml", "--deep", "--set", "model.layers[2].dense.units=3"]);
    assert!(code == 2 && stderr.contains("error[class-count]: the model doesn't end in the one number"), "{stderr}");
    let every = "evaluation=[learning_curves, metrics, residuals, latency]";
    let evaluated = json(&bench.run(&["--set", every]).join("evaluation.json"));
    assert_eq!(evaluated["steps"].as_array().unwrap().len(), 4);
    let (code, _, stderr) = bench.call(&["predict", run.to_str().unwrap(), "houses.csv"]);
    assert!(code == 1 && stderr.contains("takes the rows of a `table`"), "{stderr}");
}

#[test]
fn a_regression_is_resumed_locked_reproduced_and_repeated() {
    let bench = bench();
    let whole = bench.run(&[]);
    let half = bench.run(&["--set", "training.epochs=5", "--set", "expect={}"]);
    let arguments =
        ["run", "houses.yaml", "--resume", half.to_str().unwrap(), "--allow", "training.epochs", "--quiet", "--json"];
    let (code, stdout, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let resumed = bench.path(serde_json::from_str::<Json>(&stdout).unwrap()["run"].as_str().unwrap());
    for name in ["model.safetensors", "evaluation.json", "predictions.parquet"] {
        assert_eq!(fs::read(resumed.join(name)).unwrap(), fs::read(whole.join(name)).unwrap(), "{name}");
    }

    let (code, _, stderr) = bench.call(&["lock", whole.to_str().unwrap(), "--output", "houses.lock"]);
    assert_eq!(code, 0, "{stderr}");
    let lock = json(&bench.path("houses.lock"));
    assert!(lock["metrics"]["test_mean_absolute_error"].is_f64(), "{lock}");
    let (code, stdout, stderr) = bench.call(&["reproduce", "houses.yaml", "--quiet"]);
    assert!(code == 0 && stdout.contains("reproduced bit for bit"), "{stdout}{stderr}");

    let (code, stdout, stderr) = bench.call(&["run", "houses.yaml", "--seeds", "3", "--quiet"]);
    assert!(code == 0 && stdout.contains("test_mean_absolute_error"), "{stdout}{stderr}");
}

#[test]
fn rows_without_a_number_are_told_by_their_place_or_left_out() {
    let bench = bench();
    let spoilt = houses().replacen(".5\n", "\n", 1).replacen("16.5", "n/a", 1).replacen("wood,", "wood,inf", 1);
    let rows: Vec<&str> = spoilt.lines().collect();
    let missing = rows[1].rsplit_once(',').unwrap().0.to_owned() + ",";
    bench.write("houses.csv", spoilt.replacen(rows[1], &missing, 1));
    let (code, _, stderr) = bench.call(&["run", "houses.yaml", "--quiet"]);
    assert!(code == 1 && stderr.contains("houses.csv row 1: `price` is missing"), "{stderr}");
    assert!(stderr.contains("`, and a number elsewhere"), "{stderr}");
    let (code, stdout, stderr) = bench.call(&["run", "houses.yaml", "--quiet", "--set", "dataset.on_error=skip"]);
    assert!(code == 0, "{stdout}{stderr}");
    bench.write("houses.csv", houses());
    let (code, _, stderr) = bench.call(&["run", "houses.yaml", "--set", "dataset.source.table.label_column=heating"]);
    assert!(
        code == 2 && stderr.contains("`heating` of houses.csv holds no numbers to predict, such as `gas`"),
        "{stderr}"
    );
}

fn read() -> Json {
    json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/regression.json"))
}

fn numbers(json: &Json) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn assert_near(ours: f64, theirs: f64, tolerance: f64, what: &str) {
    assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1e-6), "{what}: {ours}, not {theirs}");
}

#[test]
fn losses_are_those_of_keras_with_their_gradients() {
    for case in read()["losses"].as_array().unwrap() {
        let loss: Loss = serde_json::from_value(case["loss"].clone()).unwrap();
        let outputs = Tensor::from_slice(&numbers(&case["outputs"]["data"])).view([-1, 1]).set_requires_grad(true);
        let targets = Targets::of(Tensor::from_slice(&numbers(&case["targets"]["data"])));
        let value = loss.compute(&outputs, &targets, true).unwrap();
        assert_near(value.double_value(&[]), case["value"].as_f64().unwrap(), 1e-6, loss.name());
        value.backward();
        let gradient = Vec::<f32>::try_from(&outputs.grad().view([-1])).unwrap();
        for (ours, theirs) in gradient.iter().zip(numbers(&case["gradient"]["data"])) {
            assert_near(f64::from(*ours), f64::from(theirs), 1e-6, loss.name());
        }
    }
}

#[test]
fn figures_are_those_of_keras_and_scikit_learn() {
    for case in read()["samples"].as_array().unwrap() {
        let batches: Vec<Estimates> = case["targets"]
            .as_array()
            .unwrap()
            .iter()
            .zip(case["predicted"].as_array().unwrap())
            .map(|(targets, predicted)| Estimates { targets: numbers(targets), predicted: numbers(predicted) })
            .collect();
        let all = Estimates {
            targets: batches.iter().flat_map(|batch| batch.targets.clone()).collect(),
            predicted: batches.iter().flat_map(|batch| batch.predicted.clone()).collect(),
        };
        let table = Metrics { resamples: 100 }.of_estimates(&all);
        for (name, theirs) in case["figures"].as_object().unwrap() {
            let (keras, exact) = (theirs["keras"].as_f64().unwrap(), theirs["sklearn"].as_f64().unwrap());
            let metric: Metric = serde_json::from_value(json!({ name.as_str(): {} })).unwrap();
            let mut running = metric.start(0);
            batches.iter().for_each(|batch| running.add(&batch.clone().into()));
            let ours = running.value(all.len());
            assert_near(ours, exact, 1e-9, name);
            assert_near(ours, keras, 1e-4, name);
            let row = table.figures.iter().find(|figure| figure.name == *name).unwrap();
            assert_near(row.value.unwrap(), exact, 1e-9, name);
        }
    }
}

#[test]
fn wilcoxons_test_is_scipys() {
    for case in read()["signed_ranks"].as_array().unwrap() {
        let differences: Vec<f64> =
            case["differences"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let (ours, theirs) = (wilcoxon(&differences), case["p"].as_f64().unwrap());
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{} differences: {ours:e}, not {theirs:e}", differences.len());
    }
}
