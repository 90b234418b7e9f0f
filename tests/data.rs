//! Drives the real program on real files of all sorts: folders, lists, parquet, tables, broken images.

mod bench;

use bench::Bench;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

const MODEL: &str = "model: {layers: [{rescaling: 1/255}, flatten, {dense: 2}]}\n";
const TABLE_MODEL: &str = "model: {layers: [normalization, {dense: {units: 16, activation: relu}}, {dense: 3}]}\n";

impl Bench {
    /// A pipeline on `source` with what else `dataset` says.
    fn pipeline(&self, source: &str, dataset: &str, model: &str) {
        let training = "training: {loss: sparse_categorical_crossentropy, epochs: 2}\n";
        let dataset =
            format!("dataset:\n  source: {source}\n  train: [cache, shuffle, {{batch: 8}}, prefetch]\n{dataset}");
        self.write("p.yaml", format!("version: 1\n{dataset}{model}{training}"));
    }

    /// Runs the pipeline; gives the run's directory.
    fn run(&self, more: &[&str]) -> PathBuf {
        let (code, stdout, stderr) = self.call(&[&["run", "p.yaml", "--json", "--quiet"], more].concat());
        assert_eq!(code, 0, "{stdout}{stderr}");
        let result: Value = serde_json::from_str(&stdout).unwrap();
        self.path(result["run"].as_str().unwrap())
    }
}

fn info(run: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap()
}

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images")
}

/// Copies the odd and the broken images into two classes, half of the odd ones for testing.
fn lay_out_images(bench: &Bench, broken: bool) {
    let mut good: Vec<PathBuf> = images().join("good").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    good.sort();
    for (index, path) in good.iter().enumerate() {
        let split = if index % 4 < 2 { "train" } else { "test" };
        let class = if index % 2 == 0 { "cat" } else { "dog" };
        let name = path.file_name().unwrap().to_str().unwrap();
        bench.write(&format!("photos/{split}/{class}/{name}"), fs::read(path).unwrap());
    }
    if broken {
        for entry in images().join("broken").read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            bench.write(&format!("photos/train/dog/broken {name}"), fs::read(&path).unwrap());
        }
        bench.write("photos/test/cat/cut.jpg", &fs::read(images().join("good/baseline.jpg")).unwrap()[..100]);
    }
}

const FOLDER: &str = "{image_folder: {train: photos/train, test: photos/test, image_size: 8}}";

#[test]
fn broken_images_end_a_run_before_it_trains_or_are_left_out_and_listed() {
    let bench = Bench::new();
    lay_out_images(&bench, true);
    // A few broken files are taken by the decoders: expected.json says which.
    let text = fs::read_to_string(images().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let refused = expected["broken"].as_object().unwrap().values().filter(|entry| entry["unsure"] != true).count() + 1;

    bench.pipeline(FOLDER, "", MODEL);
    let (code, _, stderr) = bench.call(&["run", "p.yaml", "--quiet"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("error[bad-image]: {refused} of ")), "{stderr}");
    assert!(stderr.contains("photos/train/dog/broken ") && stderr.contains("on_error: skip"), "{stderr}");
    assert!(stderr.contains(&format!("and {} more", refused - 20)), "{stderr}");

    bench.pipeline(FOLDER, "  on_error: skip\n  max_errors: 10\n", MODEL);
    let (code, _, stderr) = bench.call(&["run", "p.yaml", "--quiet"]);
    assert!(code == 1 && stderr.contains("more than `max_errors: 10` allows"), "{stderr}");

    bench.pipeline(FOLDER, "  on_error: skip\n", MODEL);
    let run = bench.run(&[]);
    let skipped = info(&run)["data"]["skipped"].as_array().unwrap().clone();
    assert_eq!(skipped.len(), refused);
    let cut = skipped.iter().find(|one| one["example"] == "cat/cut.jpg").unwrap();
    assert_eq!(cut["split"], "test");
    assert!(cut["reason"].as_str().unwrap().ends_with("cut.jpg: the file ends before the image does"));
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("cut.jpg: the file ends before the image does"));
    // The same run without the broken files is the same, and what is evaluated again, too.
    let weights = |run: &Path| info(run)["weights_digest"].clone();
    let (code, _, stderr) = bench.call(&["evaluate", run.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");

    let (code, stdout, _) = bench.call(&["data", "verify", "p.yaml"]);
    assert!(code == 1 && stdout.lines().count() == refused + 1, "{stdout}");
    // Without the files that are refused nothing is different.
    for entry in expected["broken"].as_object().unwrap().iter().filter(|(_, entry)| entry["unsure"] != true) {
        fs::remove_file(bench.path(&format!("photos/train/dog/broken {}", entry.0))).unwrap();
    }
    fs::remove_file(bench.path("photos/test/cat/cut.jpg")).unwrap();
    bench.pipeline(FOLDER, "", MODEL);
    assert_eq!(weights(&bench.run(&[])), weights(&run));
    assert_eq!(bench.call(&["data", "verify", "p.yaml"]).0, 0);
    // An evaluation on other data than a run's would tell nothing of it.
    let (code, _, stderr) = bench.call(&["evaluate", run.to_str().unwrap()]);
    assert!(code == 1 && stderr.contains("error[data-changed]"), "{stderr}");
}

#[test]
fn one_folder_is_enough_and_validation_can_have_its_own() {
    let bench = Bench::new();
    lay_out_images(&bench, false);
    bench.pipeline("{image_folder: {train: photos/train, test: {split: 0.25}, image_size: 8}}", "", MODEL);
    let data = info(&bench.run(&[]))["data"].clone();
    assert_eq!((data["train"].as_u64(), data["test"].as_u64()), (Some(30), Some(10)));
    // Validation is taken of what is left for training.
    let data = info(&bench.run(&["--set", "dataset.validation.split.share=0.2"]))["data"].clone();
    assert_eq!(
        (data["train"].as_u64(), data["validation"].as_u64(), data["test"].as_u64()),
        (Some(24), Some(6), Some(10))
    );

    bench.pipeline(
        "{image_folder: {train: photos/train, validation: photos/test, test: photos/test, image_size: 8}}",
        "",
        MODEL,
    );
    let data = info(&bench.run(&[]))["data"].clone();
    assert_eq!((data["validation"].as_u64(), data["validation_kind"].as_str()), (Some(40), Some("official")));
    let (code, _, stderr) = bench.call(&["check", "p.yaml", "--set", "dataset.validation=none", "--deny", "warnings"]);
    assert!(code == 2 && stderr.contains("error[unused-split]"), "{stderr}");
    bench.pipeline(FOLDER, "  validation: official\n", MODEL);
    let (code, _, stderr) = bench.call(&["check", "p.yaml"]);
    assert!(code == 2 && stderr.contains("the source has no validation examples of its own"), "{stderr}");
}

#[test]
fn a_class_that_a_split_lacks_is_told() {
    let bench = Bench::new();
    lay_out_images(&bench, false);
    fs::remove_dir_all(bench.path("photos/test/dog")).unwrap();
    bench.pipeline(FOLDER, "", MODEL);
    let (code, _, stderr) = bench.call(&["check", "p.yaml", "--deep"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("warning[absent-class]: no test example of `dog`"), "{stderr}");
}

#[test]
fn a_list_of_images_trains_and_its_first_missing_file_is_named() {
    let bench = Bench::new();
    lay_out_images(&bench, false);
    let mut list = "path,label\n".to_owned();
    for class in ["cat", "dog"] {
        for entry in bench.path("photos/train").join(class).read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            list.push_str(&format!("{class}/{name},{class}\n"));
        }
    }
    bench.write("lists/all.csv", &list);
    let source = "{image_csv: {train: lists/all.csv, test: {split: 0.2}, root: photos/train, image_size: 8}}";
    bench.pipeline(source, "", MODEL);
    let run = bench.run(&[]);
    assert_eq!(info(&run)["data"]["classes"], serde_json::json!(["cat", "dog"]));
    let image = images().join("good/baseline.jpg");
    let (code, stdout, stderr) = bench.call(&["predict", run.to_str().unwrap(), image.to_str().unwrap()]);
    assert!(code == 0 && stdout.contains("cat") && stdout.contains("dog"), "{stdout}{stderr}");
    bench.write("lists/all.csv", format!("{list}cat/gone.png,cat\n"));
    let (code, _, stderr) = bench.call(&["run", "p.yaml", "--quiet"]);
    assert!(code == 1 && stderr.contains("1 of 41 examples cannot be read"), "{stderr}");
    assert!(stderr.contains("photos/train/cat/gone.png: no such file or directory"), "{stderr}");
}

#[test]
fn parquet_files_of_the_hub_train() {
    let bench = Bench::new();
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rows");
    let rows = rows.display();
    bench.pipeline(
        &format!("{{parquet: {{train: '{rows}/train-*.parquet', test: '{rows}/test-*.parquet', label_column: labels, image_size: 8}}}}"),
        "  on_error: skip\n",
        &MODEL.replace("dense: 2", "dense: 3"),
    );
    let info = info(&bench.run(&[]));
    assert_eq!(info["data"]["classes"], serde_json::json!(["angular_leaf_spot", "bean_rust", "healthy"]));
    assert_eq!((info["data"]["train"].as_u64(), info["data"]["skipped"].as_array().unwrap().len()), (Some(4), 3));
}

/// Three kinds that their size and colour tell, with scales that differ a thousandfold.
fn table() -> String {
    let mut text = "size,weight,colour,kind\n".to_owned();
    for row in 0..240 {
        let kind = row % 3;
        let noise = f64::from(row * 7 % 13) / 13.0;
        let colour = if kind == 2 { "red" } else { "green" };
        let size = f64::from(kind.min(1)) + 0.3 * noise;
        text.push_str(&format!("{size:.3},{:.1},{colour},k{kind}\n", 5000.0 + 100.0 * noise));
    }
    text
}

#[test]
fn a_table_trains_and_is_standardized_on_its_training_split() {
    let bench = Bench::new();
    bench.write("t.csv", table());
    let source = "{table: {train: t.csv, test: {split: 0.2}, label_column: kind}}";
    bench.pipeline(source, "  validation: {split: 0.25}\n", TABLE_MODEL);
    let run = bench.run(&["--set", "training.epochs=30", "--set", "training.optimizer.adam.learning_rate=0.02"]);
    let evaluation: Value = serde_json::from_str(&fs::read_to_string(run.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(evaluation["examples"], 48);
    assert!(evaluation["metrics"]["test_accuracy"].as_f64().unwrap() > 0.97, "{evaluation}");
    let data: Value = serde_json::from_str(&fs::read_to_string(run.join("data.json")).unwrap()).unwrap();
    assert_eq!(data["features"], serde_json::json!(["size", "weight", "colour=green", "colour=red"]));
    // The training split has mean 0 and variance 1; the others only nearly so.
    let means = |split: usize| -> Vec<f64> {
        let list = data["splits"][split]["normalized"]["mean"].as_array().unwrap();
        list.iter().map(|mean| mean.as_f64().unwrap().abs()).collect()
    };
    assert!(means(0).iter().all(|mean| *mean < 1e-6), "{:?}", means(0));
    assert!(means(2).iter().any(|mean| *mean > 1e-3), "{:?}", means(2));
    let (code, stdout, stderr) = bench.call(&["evaluate", run.to_str().unwrap(), "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let again: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(again["metrics"], evaluation["metrics"]);
    let (code, _, stderr) = bench.call(&["predict", run.to_str().unwrap(), "a.png"]);
    assert!(code == 1 && stderr.contains("takes the rows of a `table`, and no images"), "{stderr}");
    let (code, stdout, stderr) = bench.call(&["data", "inspect", "p.yaml", "--html", "data.html"]);
    assert!(code == 0 && stdout.contains("colour=red"), "{stdout}{stderr}");
    assert!(fs::read_to_string(bench.path("data.html")).unwrap().contains("Features of the training data"));
    let (code, stdout, stderr) = bench.call(&["summary", "p.yaml"]);
    assert!(code == 0 && stdout.contains("[4]"), "{stdout}{stderr}");
}

#[test]
fn mistakes_about_tables_are_found() {
    let bench = Bench::new();
    bench.write("t.csv", table());
    let source = "{table: {train: t.csv, test: {split: 0.2}, label_column: kind}}";
    bench.pipeline(source, "", &TABLE_MODEL.replace("normalization, ", "").replace("dense: 3", "dense: 4"));
    // Without its data nothing is known of its shapes.
    let (code, stdout, stderr) = bench.call(&["check", "p.yaml"]);
    assert_eq!((code, stdout.as_str()), (0, "p.yaml: no mistakes found\n"), "{stderr}");
    let (code, _, stderr) = bench.call(&["check", "p.yaml", "--deep"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("error[class-count]: 4 outputs for 3 classes"), "{stderr}");
    assert!(stderr.contains("warning[unscaled-input]: the numbers of a table reach"), "{stderr}");
    let augment = "dataset.train=[{augment: [random_flip]}, {batch: 8}, mixup]";
    let (code, _, stderr) = bench.call(&["check", "p.yaml", "--set", augment]);
    assert_eq!(code, 2);
    assert!(stderr.contains("error[not-images]: `augment` changes images, and `table` has none"), "{stderr}");
    assert!(stderr.contains("error[not-images]: `mixup` changes images"), "{stderr}");
    let conv = "model.layers=[{conv2d: {filters: 3, kernel_size: 3}}, flatten, {dense: 3}]";
    let (code, _, stderr) = bench.call(&["check", "p.yaml", "--deep", "--set", conv]);
    assert!(code == 2 && stderr.contains("`conv2d` takes images"), "{stderr}");
}

#[test]
fn a_cache_in_a_directory_outlives_the_run_and_gives_the_same_numbers() {
    let bench = Bench::new();
    lay_out_images(&bench, false);
    bench.pipeline(FOLDER, "  evaluate: [{cache: kept}, {batch: 8}]\n", MODEL);
    let cached = ["--set", "dataset.train[0].cache.directory=kept"];
    let plain = info(&bench.run(&[]))["weights_digest"].clone();
    assert_eq!(info(&bench.run(&cached))["weights_digest"], plain);
    let files = |bench: &Bench| -> Vec<_> {
        let mut all: Vec<PathBuf> = bench.path("kept").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        all.retain(|path| path.extension().is_some_and(|extension| extension == "examples"));
        all.sort();
        all
    };
    let before: Vec<_> = files(&bench).iter().map(|path| path.metadata().unwrap().modified().unwrap()).collect();
    assert_eq!(before.len(), 2);
    assert_eq!(info(&bench.run(&cached))["weights_digest"], plain);
    let after: Vec<_> = files(&bench).iter().map(|path| path.metadata().unwrap().modified().unwrap()).collect();
    assert_eq!(before, after);
    // A torn one is made anew.
    let torn = &files(&bench)[0];
    let whole = fs::read(torn).unwrap();
    fs::write(torn, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(info(&bench.run(&cached))["weights_digest"], plain);
    assert_eq!(fs::read(torn).unwrap(), whole);
}
