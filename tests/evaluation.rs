//! Evaluation steps and the report, through the program.

mod bench;

use bench::Bench;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use trainyard::{evaluation::Evaluation, task::Task};

const DIGITS: &str = "version: 1
name: p
seed: 3
threads: 1
dataset:
  source: digits
  validation: {split: 0.1}
  train: [cache, shuffle, {batch: 64}]
model:
  layers:
    - rescaling: 1/255
    - conv2d: {filters: 4, kernel_size: 3, padding: same, activation: relu}
    - max_pooling2d
    - flatten
    - dense: 10
training:
  loss: sparse_categorical_crossentropy
  epochs: 2
";

fn run(bench: &Bench, pipeline: &str, expected: i32) -> PathBuf {
    bench.write("p.yaml", pipeline);
    let (code, stdout, stderr) = bench.call(&["run", "p.yaml", "--json", "--quiet"]);
    assert_eq!(code, expected, "{stdout}{stderr}");
    let result: Value = serde_json::from_str(&stdout).unwrap();
    bench.path(result["run"].as_str().unwrap())
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The names of all steps, as the schema has them.
fn steps(bench: &Bench) -> Vec<String> {
    let (_, schema, _) = bench.call(&["schema"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut found = Vec::new();
    let text = schema["$defs"]["Evaluation"].to_string();
    for name in
        text.split('"').filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit()))
    {
        if Evaluation::NAMES.contains(&name) && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}

#[test]
fn every_step_is_computed_written_and_shown() {
    let bench = Bench::new();
    let mut names = steps(&bench);
    assert_eq!(names.len(), Evaluation::NAMES.len());
    // Those of predicted numbers have a test of their own.
    names.retain(|name| {
        let step = serde_json::from_value::<Evaluation>(serde_json::json!({ name.as_str(): {} }));
        step.is_ok_and(|step| step.suits(Task::Classification))
    });
    assert!(names.len() > 20, "{names:?}");
    let list: String = names.iter().map(|name| format!("  - {name}\n")).collect();
    let path = run(&bench, &format!("{DIGITS}evaluation:\n{list}"), 0);

    let evaluation = read(&path.join("evaluation.json"));
    let computed: Vec<&str> = evaluation["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step.as_object().unwrap().keys().next().unwrap().as_str())
        .collect();
    assert_eq!(computed, names);
    let html = fs::read_to_string(path.join("report.html")).unwrap();
    for name in &names {
        assert!(html.contains(&format!("<section id=\"{}\"", name.replace('_', "-"))), "no section {name}");
    }
    assert!(html.len() < 3_000_000, "{}", html.len());
    // Cells of the confusion matrix lead to what is there.
    let targets: Vec<&str> = html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(targets.iter().any(|target| target.starts_with("mistake-")));
    for target in targets {
        assert!(html.contains(&format!("id=\"{target}\"")), "a link leads to {target}, which isn't there");
    }

    let run = path.to_str().unwrap();
    let (code, markdown, _) = bench.call(&["report", run, "--format", "md"]);
    assert!(code == 0 && markdown.starts_with("# p\n") && markdown.contains("## Classes"), "{markdown}");
    let (_, all, _) = bench.call(&["report", run, "--format", "json"]);
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["evaluation"]["metrics"], evaluation["metrics"]);
    assert_eq!(all["history"].as_array().unwrap().len(), 2);

    // Evaluated again, all but what is measured is the same.
    let (code, _, stderr) = bench.call(&["evaluate", run]);
    assert_eq!(code, 0, "{stderr}");
    let without_latency = |mut evaluation: Value| {
        evaluation["steps"].as_array_mut().unwrap().retain(|step| step.get("latency").is_none());
        evaluation
    };
    assert_eq!(without_latency(read(&path.join("evaluation.json"))), without_latency(evaluation));
}

#[test]
fn a_column_divides_the_test_images() {
    let bench = Bench::new();
    let mut list = "path,label,camera\n".to_owned();
    for index in 0..40u8 {
        let class = if index % 2 == 0 { "cat" } else { "dog" };
        let camera = if index % 4 < 2 { "old" } else { "new" };
        let name = format!("images/{index}.png");
        image::GrayImage::from_pixel(8, 8, image::Luma([index * 5])).save(bench.write(&name, "")).unwrap();
        list.push_str(&format!("{name},{class},{camera}\n"));
    }
    bench.write("list.csv", list);
    let pipeline = |by: &str| {
        DIGITS
            .replace("digits", "{image_csv: {train: list.csv, test: {split: 0.5}, image_size: 8, color_mode: grayscale, columns: [camera]}}")
            .replace("dense: 10", "dense: 2")
            + &format!("evaluation: [{{slices: {by}}}]\n")
    };
    let path = run(&bench, &pipeline("camera"), 0);
    let slices = &read(&path.join("evaluation.json"))["steps"][0]["slices"]["slices"];
    let counted: Vec<(&str, u64)> = slices
        .as_array()
        .unwrap()
        .iter()
        .map(|slice| (slice["name"].as_str().unwrap(), slice["examples"].as_u64().unwrap()))
        .collect();
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 20);
    assert!(counted.iter().all(|(name, _)| ["old", "new"].contains(name)), "{counted:?}");

    bench.write("p.yaml", pipeline("camra"));
    let (code, _, stderr) = bench.call(&["check", "p.yaml"]);
    assert!(code == 2 && stderr.contains("p.yaml:19:23") && stderr.contains("did you mean `camera`?"), "{stderr}");
}

#[test]
fn an_expectation_names_what_a_step_computes() {
    let bench = Bench::new();
    let pipeline =
        |expected: &str| format!("{DIGITS}evaluation: [classification_report, top_k]\nexpect:\n  {expected}\n");
    run(&bench, &pipeline("test_top_5_accuracy: {min: 0.2}"), 0);
    let path = run(&bench, &pipeline("'test_recall[7]': {min: 1.0}"), 3);
    let expectation = &read(&path.join("run.json"))["expectations"][0];
    let recall = &read(&path.join("evaluation.json"))["figures"]["test_recall[7]"];
    assert!(recall.is_number() && expectation["value"] == *recall, "{expectation}");

    for (name, said) in [
        ("'test_recall[cat]'", "did you mean `test_recall[9]`?"),
        ("test_brier_score", "add `calibration` to `evaluation`, which does"),
        ("test_top_9_accuracy", "did you mean `test_top_"),
    ] {
        bench.write("p.yaml", pipeline(&format!("{name}: {{min: 0.5}}")));
        let (code, _, stderr) = bench.call(&["check", "p.yaml"]);
        assert!(code == 2 && stderr.contains("nothing produces"), "{stderr}");
        assert!(stderr.contains(said) || name.contains("cat"), "{stderr}");
    }
}

#[test]
fn a_page_of_the_users_own_is_checked_before_training_and_used() {
    let bench = Bench::new();
    let pipeline =
        format!("{DIGITS}report:\n  title: My <digits>\n  sections: [verdict, model]\n  template: page.html\n");
    bench.write(
        "page.html",
        "<h1>{{ title }}</h1>\n{% for section in sections %}<h2>{{ section.titel }}</h2>{% endfor %}\n",
    );
    // What stands in a section is known only when it is filled in: before the first epoch.
    bench.write("p.yaml", &pipeline);
    let (code, _, stderr) = bench.call(&["run", "p.yaml", "--quiet"]);
    assert!(code == 1 && stderr.contains("cannot be filled in at line 2"), "{stderr}");
    assert!(!stderr.contains("epoch 1"), "{stderr}");

    bench.write("page.html", "<h1>{{ titel }}</h1>\n");
    let (code, _, stderr) = bench.call(&["check", "p.yaml", "--deep"]);
    assert!(code == 2 && stderr.contains("page.html:1: a report has no `titel`"), "{stderr}");

    bench.write("page.html", "<h1>{{ title }}</h1>\n{% for section in sections %}[{{ section.id }}]{% endfor %}\n");
    let path = run(&bench, &pipeline, 0);
    let html = fs::read_to_string(path.join("report.html")).unwrap();
    assert_eq!(html.trim(), "<h1>My &lt;digits&gt;</h1>\n[verdict][model]");
    // The page stands in the run: it can be filled in again without the pipeline's folder.
    fs::remove_file(bench.path("page.html")).unwrap();
    let (code, _, stderr) = bench.call(&["report", path.to_str().unwrap()]);
    assert_eq!((code, fs::read_to_string(path.join("report.html")).unwrap()), (0, html), "{stderr}");
}

#[test]
fn steps_on_images_are_refused_for_tables() {
    let bench = Bench::new();
    let rows: String = (0..20).map(|index| format!("{index},{},{}\n", index * 2, ["a", "b"][index % 2])).collect();
    bench.write("rows.csv", format!("x,y,label\n{rows}"));
    let pipeline = |step: &str| {
        DIGITS
            .replace("digits", "{table: {train: rows.csv, test: {split: 0.5}}}")
            .replace("    - rescaling: 1/255\n    - conv2d: {filters: 4, kernel_size: 3, padding: same, activation: relu}\n    - max_pooling2d\n    - flatten\n    - dense: 10", "    - normalization\n    - dense: 2")
            + &format!("evaluation: [{step}]\n")
    };
    bench.write("p.yaml", pipeline("saliency"));
    let (code, _, stderr) = bench.call(&["run", "p.yaml", "--quiet"]);
    assert!(code == 2 && stderr.contains("`saliency` shows images"), "{stderr}");
    let path = run(&bench, &pipeline("{slices: x}, prediction_grid, embedding"), 0);
    let steps = &read(&path.join("evaluation.json"))["steps"];
    assert_eq!(steps[0]["slices"]["by"], json!("x"));
    assert_eq!(steps[2]["embedding"]["dimensions"], json!(2));
    assert!(fs::read_to_string(path.join("report.html")).unwrap().contains("row "));
}
