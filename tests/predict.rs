//! `trainyard predict` on files, folders and pipes.

mod bench;

use bench::Bench;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use trainyard::run::read_predictions;

const PIPELINE: &str = "\
version: 1
name: colours
threads: 2
dataset:
  source: {image_folder: {train: photos/train, test: photos/test, image_size: [6, 8], resize: crop}}
  train: [shuffle, {batch: 8}]
  evaluate: [{take: 3}, {batch: 4}]
model:
  layers: [{rescaling: 1/255}, flatten, {dense: 3}]
training: {loss: sparse_categorical_crossentropy, epochs: 2}
evaluation: []
";

const CLASSES: [&str; 3] = ["a, \"b\"", "green", "red"];

/// Images of odd sizes, no two alike; every third one lies in a folder of its own.
fn lay_out(bench: &Bench, part: &str, of_each: u32) {
    for (class, name) in CLASSES.iter().enumerate() {
        for number in 0..of_each {
            let deeper = if number % 3 == 2 { "deeper/" } else { "" };
            let path = bench.path(&format!("photos/{part}/{name}/{deeper}{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let pixel = |x: u32, y: u32| {
                let mut pixel = [(x * 9 + y) as u8, (number * 5) as u8, (y * 11) as u8];
                pixel[class] = pixel[class].saturating_add(120);
                image::Rgb(pixel)
            };
            image::RgbImage::from_fn(9 + number, 13, pixel).save(path).unwrap();
        }
    }
}

/// A run on such images, in the directory `run`.
fn trained() -> (Bench, PathBuf) {
    let bench = Bench::new();
    lay_out(&bench, "train", 6);
    lay_out(&bench, "test", 4);
    bench.write("p.yaml", PIPELINE);
    let (code, stdout, stderr) = bench.call(&["run", "p.yaml", "--json", "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    let result: Value = serde_json::from_str(&stdout).unwrap();
    let run = bench.path(result["run"].as_str().unwrap());
    (bench, run)
}

/// Fields of CSV, as RFC 4180 has them.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (vec![], vec![], String::new(), false);
    let mut letters = csv.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('"', true) if letters.next_if_eq(&'"').is_some() => field.push('"'),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut field)),
            ('\n', false) => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            (letter, _) => field.push(letter),
        }
    }
    rows
}

/// The probabilities of a row of CSV, in the order of the classes.
fn probabilities(row: &[String]) -> Vec<f32> {
    let pairs: Vec<(&str, f32)> = row[1..].chunks(2).map(|pair| (pair[0].as_str(), pair[1].parse().unwrap())).collect();
    assert!(pairs.is_sorted_by(|a, b| a.1 >= b.1), "{row:?}");
    CLASSES.iter().map(|class| pairs.iter().find(|(name, _)| name == class).unwrap().1).collect()
}

#[test]
fn what_is_predicted_is_what_the_evaluation_found() {
    let (bench, run) = trained();
    let run_name = run.to_str().unwrap();
    // The evaluation looked at three images only; without `take` it looks at all.
    for name in ["resolved.yaml", "pipeline.yaml"] {
        let path = run.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let without: Vec<&str> = text.lines().filter(|line| !line.contains("take")).collect();
        fs::write(&path, without.join("\n").replace("count: 3", "")).unwrap();
    }
    assert_eq!(bench.call(&["evaluate", run_name]).0, 0);
    let classes = CLASSES.map(str::to_owned);
    let found = read_predictions(&run.join("predictions.parquet"), &classes).unwrap();
    let mut wanted: Vec<Vec<f32>> = found.probabilities.chunks(3).map(<[f32]>::to_vec).collect();
    assert_eq!(wanted.len(), 12);

    let (code, stdout, stderr) = bench.call(&["predict", run_name, "photos/test", "--csv"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let rows = rows(&stdout);
    assert_eq!(rows[0], ["path", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"]);
    let paths: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(paths.len(), 12);
    assert!(paths.is_sorted() && paths[0] == "photos/test/a, \"b\"/0.png", "{paths:?}");
    assert!(paths.contains(&"photos/test/red/deeper/2.png"));
    // The evaluation has them in another order.
    let mut got: Vec<Vec<f32>> = rows[1..].iter().map(|row| probabilities(row)).collect();
    for list in [&mut wanted, &mut got] {
        list.sort_by(|a, b| a.partial_cmp(b).unwrap());
    }
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!(got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {wanted:?}");
    }
}

#[test]
fn files_folders_and_pipes_go_together_and_broken_ones_are_left_out() {
    let (bench, run) = trained();
    let run = run.to_str().unwrap();
    let image = "photos/test/green/1.png";
    bench.write("mixed/notes.txt", "not asked for");
    bench.write("mixed/broken.png", "no image");
    fs::copy(bench.path(image), bench.path("mixed/same.png")).unwrap();
    bench.write("notes.txt", "asked for");
    fs::create_dir(bench.path("empty")).unwrap();

    let mut command = bench.command(&["predict", run, "-", "mixed", "notes.txt", image, "empty", "gone.png", "--json"]);
    let output = command.write_stdin(fs::read(bench.path(image)).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let results: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let named: Vec<&str> = results.iter().map(|result| result["image"].as_str().unwrap()).collect();
    assert_eq!(named, ["-", "mixed/same.png", image]);
    assert!(results.iter().all(|result| result["top"] == results[0]["top"]), "{results:?}");
    assert_eq!(results[0]["top"].as_array().unwrap().len(), 3);
    let told = String::from_utf8(output.stderr).unwrap();
    for wanted in ["mixed/broken.png", "decode notes.txt", "no images in empty", "gone.png: no such file"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert!(!told.contains("mixed/notes.txt"), "{told}");

    let (code, stdout, _) = bench.call(&["predict", run, image, "mixed/same.png", "--top", "1"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("image ") && lines[0].contains("class") && lines.len() == 3, "{stdout}");
    let class = lines[0].find("class").unwrap();
    assert!(lines[1..].iter().all(|line| CLASSES.iter().any(|name| line[class..].starts_with(name))), "{stdout}");

    let (code, stdout, _) = bench.call(&["predict", run, "notes.txt"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    for wrong in
        [&["predict", run, image, "--csv", "--json"][..], &["predict", run], &["predict", run, image, "--top", "0"]]
    {
        assert_eq!(bench.call(wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn a_page_stands_alone() {
    let (bench, run) = trained();
    let evil = "<script>alert(1)<_script>.png";
    fs::copy(bench.path("photos/test/red/0.png"), bench.path(evil)).unwrap();
    bench.write("broken.jpg", "no image");
    let arguments = ["predict", run.to_str().unwrap(), "photos/test", evil, "broken.jpg", "--html", "page.html"];
    let (code, stdout, _) = bench.call(&arguments);
    assert!(code == 1 && stdout.ends_with("page: page.html\n"), "{stdout}");
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    assert_eq!(page.matches("<img src=\"data:image/png;base64,iVBOR").count(), 13);
    assert!(page.contains("&lt;script&gt;alert(1)") && page.matches("<script").count() == 2);
    assert!(page.contains("cannot decode broken.jpg"));
    assert!(Path::new(run.file_name().unwrap()).to_str().is_some_and(|id| page.contains(id)));
}
