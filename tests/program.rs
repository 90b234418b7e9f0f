//! Drives the real program on real files.

mod bench;

use bench::Bench;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A pipeline that trains in a fraction of a second.
const SMALL: &str = "\
version: 1
name: small
seed: 3
threads: 2
dataset:
  source: digits
  validation: {split: 0.2}
  train: [cache, shuffle, {batch: 64}, prefetch]
model:
  layers:
    - rescaling: {scale: 1/255}
    - conv2d: {filters: 8, kernel_size: 3, padding: same, activation: relu}
    - max_pooling2d
    - dropout: 0.2
    - flatten
    - dense: 10
training:
  loss: sparse_categorical_crossentropy
  epochs: 3
";

impl Bench {
    /// Runs a pipeline; gives the run's directory.
    fn run(&self, arguments: &[&str]) -> (i32, PathBuf) {
        let mut all = vec!["run", "--json", "--quiet"];
        all.extend(arguments);
        let (code, stdout, stderr) = self.call(&all);
        let result: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}\n{stderr}"));
        (code, self.path(result["run"].as_str().unwrap()))
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn two_runs_of_one_file_leave_the_same_bytes() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    // Another depth of reading ahead must not matter either.
    let other = SMALL.replace("prefetch]", "{prefetch: 1}]");
    bench.write("other.yaml", other);
    let (_, first) = bench.run(&["small.yaml"]);
    let (_, second) = bench.run(&["other.yaml"]);
    for name in ["model.safetensors", "predictions.parquet", "evaluation.json"] {
        assert_eq!(fs::read(first.join(name)).unwrap(), fs::read(second.join(name)).unwrap(), "{name}");
    }
    let (_, third) = bench.run(&["small.yaml", "--set", "seed=4"]);
    assert_ne!(fs::read(first.join("model.safetensors")).unwrap(), fs::read(third.join("model.safetensors")).unwrap());
}

#[test]
fn a_resolved_pipeline_resolves_to_itself_and_gives_the_same_run() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    let (_, first) = bench.run(&["small.yaml"]);
    let resolved = first.join("resolved.yaml");
    let (_, second) = bench.run(&[resolved.to_str().unwrap()]);
    for name in ["resolved.yaml", "model.safetensors"] {
        assert_eq!(fs::read(resolved.with_file_name(name)).unwrap(), fs::read(second.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_run_leaves_everything_and_can_be_used() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    let (code, run) = bench.run(&["small.yaml", "--set", "training.epochs=8"]);
    assert_eq!(code, 0);
    for name in [
        "pipeline.yaml",
        "resolved.yaml",
        "run.json",
        "history.csv",
        "evaluation.json",
        "predictions.parquet",
        "model.safetensors",
        "report.html",
    ] {
        assert!(run.join(name).is_file(), "{name}");
    }
    let info: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["status"], "completed");
    assert_eq!(info["training"]["epochs_done"], 8);
    let recorded: serde_json::Value = serde_json::from_slice(&fs::read(run.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(recorded["examples"], 360);
    assert!(recorded["metrics"]["test_accuracy"].as_f64().unwrap() > 0.8, "{recorded}");
    for name in ["test_accuracy", "test_loss"] {
        let (value, bounds) = (recorded["metrics"][name].as_f64().unwrap(), &recorded["intervals"][name]);
        assert!(bounds[0].as_f64().unwrap() < value && value < bounds[1].as_f64().unwrap(), "{name}: {bounds}");
    }

    let run_name = run.to_str().unwrap();
    let (code, stdout, _) = bench.call(&["evaluate", run_name, "--json"]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stdout).unwrap(), recorded);

    let report = fs::read(run.join("report.html")).unwrap();
    fs::remove_file(run.join("report.html")).unwrap();
    assert_eq!(bench.call(&["report", run_name]).0, 0);
    assert_eq!(fs::read(run.join("report.html")).unwrap(), report);

    let image = bench.path("one.png");
    image::GrayImage::from_fn(40, 60, |x, _| image::Luma([if (18..24).contains(&x) { 255 } else { 0 }]))
        .save(&image)
        .unwrap();
    let broken = bench.write("broken.png", b"no image");
    let (code, stdout, stderr) = bench.call(&["predict", run_name, image.to_str().unwrap(), broken.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(stdout.contains("one.png  ") && stdout.contains('%'), "{stdout}");
    assert!(stderr.contains("broken.png"), "{stderr}");
}

#[test]
fn an_expectation_decides_the_exit_code() {
    let bench = Bench::new();
    bench.write("small.yaml", format!("{SMALL}expect:\n  test_accuracy: {{min: 0.9999}}\n"));
    let (code, run) = bench.run(&["small.yaml", "--set", "training.epochs=1"]);
    assert_eq!(code, 3);
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("Failed"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_what_was_trained() {
    let bench = Bench::new();
    bench.write("small.yaml", SMALL);
    let arguments = ["run", "--quiet", "--json", "small.yaml", "--set", "training.epochs=100000"];
    let mut child = bench.process(&arguments).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let runs = bench.path("runs/small");
    let run = loop {
        let found = fs::read_dir(&runs).ok().and_then(|mut entries| entries.next());
        if let Some(run) = found.map(|entry| entry.unwrap().path()).filter(|run| run.join("history.csv").exists()) {
            break run;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    bench::net::signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let info: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["status"], "interrupted");
    assert!(run.join("model.safetensors").is_file());
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("Interrupted"));
    assert_eq!(bench.call(&["evaluate", run.to_str().unwrap()]).0, 0);
}

#[test]
fn what_is_no_pipeline_is_refused_with_its_place() {
    let bench = Bench::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("layer.yaml", &SMALL.replace("conv2d:", "conv2:"), &["error[unknown-layer]", "layer.yaml:12:7", "`conv2d`"]),
        ("key.yaml", &SMALL.replace("filters: 8, ", ""), &["error[missing-key]", "key.yaml:12:7", "`filters`"]),
        ("type.yaml", &SMALL.replace("epochs: 3", "epochs: three"), &["error[wrong-type]", "type.yaml:19:11"]),
        ("tab.yaml", "version: 1\ndataset:\n\tsource: digits\n", &["error[tab]", "tab.yaml:3:1", "spaces"]),
        ("empty.yaml", "", &["empty.yaml:1:1", "version: 1"]),
    ];
    for (name, content, wanted) in cases {
        bench.write(name, content);
        for command in ["check", "run"] {
            let (code, stdout, stderr) = bench.call(&[command, name]);
            assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
            for text in *wanted {
                assert!(stderr.contains(text), "{name}: no {text} in\n{stderr}");
            }
            assert!(!stderr.contains("panicked") && !stderr.contains("src/"), "{stderr}");
        }
    }
    for (name, text) in [(".", "is a directory"), ("nowhere.yaml", "no such file")] {
        let (code, _, stderr) = bench.call(&["run", name]);
        assert_eq!(code, 2);
        assert!(stderr.contains(text), "{stderr}");
    }
    assert!(!bench.path("runs").exists(), "a refused pipeline leaves nothing");
}

#[test]
fn all_mistakes_are_told_at_once_and_flags_are_pointed_at() {
    let bench = Bench::new();
    bench.write(
        "many.yaml",
        SMALL.replace("dropout: 0.2", "dropout: 2").replace("dense: 10", "dens: 10").replace("epochs: 3", "epochs: 0"),
    );
    let (code, _, stderr) = bench.call(&["check", "many.yaml", "--set", "seed=-1"]);
    assert_eq!(code, 2);
    assert_eq!(stderr.matches("error[").count(), 4, "{stderr}");
    assert!(stderr.contains("--set:1:6"), "{stderr}");
}

#[test]
fn every_pipeline_of_the_repository_is_without_mistakes() {
    let bench = Bench::new();
    for entry in fs::read_dir(repository("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let (code, stdout, stderr) = bench.call(&["check", path.to_str().unwrap()]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.ends_with("no mistakes found\n"), "{stdout}{stderr}");
    }
}

#[test]
fn the_committed_schema_is_the_codes_and_accepts_the_pipelines() {
    let bench = Bench::new();
    let (_, schema, _) = bench.call(&["schema"]);
    let committed = fs::read_to_string(repository("schemas/pipeline.schema.json")).unwrap();
    assert!(schema == committed, "the committed schema isn't what the code says: run `make schema`");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let small: serde_json::Value = serde_json::json!({
        "version": 1,
        "dataset": { "source": "digits", "train": ["cache", { "batch": 32 }] },
        "model": { "layers": [{ "rescaling": { "scale": "1/255" } }, "flatten", { "dense": 10 }] },
        "training": { "loss": "sparse_categorical_crossentropy", "epochs": 2 }
    });
    assert!(
        validator.is_valid(&small),
        "{:?}",
        validator.iter_errors(&small).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    let mut wrong = small.clone();
    wrong["model"]["layers"][2] = serde_json::json!({ "dense": { "unit": 10 } });
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn weights_cost_in_every_loss_and_are_held() {
    let bench = Bench::new();
    let last = |sets: &str| {
        // So small a rate leaves the weights as they are drawn.
        let text = SMALL.replace("    - dense: 10\n", &format!("    - dense: {{units: 10{sets}}}\n"));
        bench.write("small.yaml", text + "  optimizer: {sgd: 1.0e-12}\n");
        let (code, run) = bench.run(&["small.yaml", "--set", "training.epochs=1"]);
        assert_eq!(code, 0);
        let history = fs::read_to_string(run.join("history.csv")).unwrap();
        let rows: Vec<Vec<&str>> = history.lines().map(|line| line.split(',').collect()).collect();
        let weights = fs::read(run.join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&weights).unwrap();
        let kernel = tensors.tensor("dense.kernel").unwrap().data().as_chunks::<4>().0.iter();
        let kernel: Vec<f64> = kernel.map(|bytes| f32::from_le_bytes(*bytes).into()).collect();
        let figure = |name: &str| {
            let at = rows[0].iter().position(|column| *column == name).unwrap();
            rows[1][at].parse::<f64>().unwrap()
        };
        (figure("loss"), figure("val_loss"), kernel)
    };
    let (loss, val_loss, kernel) = last("");
    assert!(kernel.iter().any(|&weight| weight < 0.0));
    let cost = 0.5 * kernel.iter().map(|weight| weight * weight).sum::<f64>();
    let (dear_loss, dear_val_loss, _) = last(", kernel_regularizer: {l2: 0.5}");
    for (dear, cheap) in [(dear_loss, loss), (dear_val_loss, val_loss)] {
        assert!((dear - cheap - cost).abs() < 1e-3 * cost, "{dear} and {cheap}: {cost}");
    }
    let (.., held) = last(", kernel_constraint: non_neg");
    assert!(held.iter().all(|&weight| weight >= 0.0));
}
