//! Locks, reproduces, reuses and repeats runs of the real program.

mod bench;

use bench::{
    Bench,
    net::{NET, info, runs},
};
use serde_json::Value;
use std::fs;

/// A bench with a short pipeline that has run.
fn ran(more: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("epochs: 5", "epochs: 2"));
    let mut arguments = vec!["run", "--quiet", "net.yaml"];
    arguments.extend(more);
    let (code, _, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
    bench
}

fn locked() -> Bench {
    let bench = ran(&[]);
    let (code, stdout, stderr) = bench.call(&["lock", "net"]);
    assert_eq!((code, stdout.trim()), (0, "net.lock"), "{stderr}");
    bench
}

fn lock(bench: &Bench) -> Value {
    serde_json::from_slice(&fs::read(bench.path("net.lock")).unwrap()).unwrap()
}

#[test]
fn what_was_locked_is_reproduced_bit_for_bit() {
    let bench = locked();
    for _ in 0..2 {
        let (code, stdout, stderr) = bench.call(&["reproduce", "net.yaml"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert!(stdout.contains("reproduced bit for bit: 36 steps"), "{stdout}");
        assert!(stderr.contains("every bit is promised"), "{stderr}");
    }
    let (code, stdout, _) = bench.call(&["reproduce", "net", "--json", "--quiet"]);
    assert_eq!(code, 0);
    let result: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&result["reproduction"]["bit_equal"], &result["reproduction"]["promised"]),
        (&true.into(), &"bits".into())
    );
    // It says the same on fewer processors, for the threads are those of the lock.
    let lock = lock(&bench);
    assert_eq!((lock["steps"].as_array().unwrap().len(), &lock["all_steps"]), (36, &36.into()));
    assert_eq!(lock["surroundings"]["threads"], 2);
}

#[test]
fn other_inputs_are_named_before_anything_is_trained() {
    let bench = locked();
    let before = runs(&bench, "net").len();
    for (set, said) in [
        ("training.optimizer.adam.learning_rate=0.002", "training.optimizer.adam.learning_rate: 0.001 -> 0.002"),
        ("threads=1", "threads: 2 -> 1"),
        ("seed=4", "seed: 3 -> 4"),
        ("model.layers[4].dropout.rate=0.3", "model.layers[4].dropout.rate: 0.2 -> 0.3"),
    ] {
        for command in [&["reproduce", "net.yaml"][..], &["run", "--locked", "net.yaml"]] {
            let (code, stdout, stderr) = bench.call(&[command, &["--set", set]].concat());
            assert_eq!(code, 3, "{stdout}{stderr}");
            assert!(stderr.contains("error[lock-drift]") && stderr.contains(said), "no {said} in {stderr}");
        }
    }
    assert_eq!(runs(&bench, "net").len(), before);
    // What changes no number drifts from nothing.
    let free = ["--set", "description=other", "--set", "report.title=other", "--set", "evaluation=[top_k]"];
    let (code, _, stderr) = bench.call(&[&["run", "--locked", "--quiet", "net.yaml"][..], &free].concat());
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn one_changed_pixel_is_other_data() {
    let bench = Bench::new();
    let image = |shade: u8, pixel: u8| {
        let mut picture = image::RgbImage::from_pixel(8, 8, image::Rgb([shade, shade, shade]));
        picture.put_pixel(3, 3, image::Rgb([pixel, shade, shade]));
        let mut png = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        png.into_inner()
    };
    for index in 0..20_u8 {
        for part in ["train", "test"] {
            bench.write(&format!("data/{part}/dark/{index}.png"), image(20 + index, 20));
            bench.write(&format!("data/{part}/light/{index}.png"), image(200 + index, 200));
        }
    }
    let source = "source: {image_folder: {train: data/train, test: data/test, image_size: 8}}";
    bench.write("net.yaml", NET.replace("source: digits", source).replace("dense: 10", "dense: 2"));
    assert_eq!(bench.call(&["run", "--quiet", "net.yaml"]).0, 0);
    assert_eq!(bench.call(&["lock", "net", "--quiet"]).0, 0);
    assert_eq!(bench.call(&["reproduce", "--quiet", "net.yaml"]).0, 0);
    let before = runs(&bench, "net").len();
    bench.write("data/train/dark/7.png", image(27, 21));
    let (code, _, stderr) = bench.call(&["reproduce", "net.yaml"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("the data: SHA-256 "), "{stderr}");
    fs::remove_file(bench.path("data/train/dark/7.png")).unwrap();
    let (_, _, stderr) = bench.call(&["reproduce", "net.yaml"]);
    assert!(stderr.contains("train examples: 32 -> 31") || stderr.contains("train examples: "), "{stderr}");
    assert_eq!(runs(&bench, "net").len(), before);
}

#[test]
fn other_weights_to_begin_with_are_other_inputs() {
    let bench = ran(&[]);
    let first = runs(&bench, "net").remove(0);
    fs::copy(first.join("model.safetensors"), bench.path("first.safetensors")).unwrap();
    let begun = NET.replace("epochs: 5", "epochs: 1").replace("name: net", "name: more");
    bench.write("more.yaml", begun.replace("model:\n", "model:\n  initial_weights: first.safetensors\n"));
    assert_eq!(bench.call(&["run", "--quiet", "more.yaml"]).0, 0);
    assert_eq!(bench.call(&["lock", "more", "--quiet"]).0, 0);
    assert_eq!(bench.call(&["reproduce", "--quiet", "more.yaml"]).0, 0);
    let before = runs(&bench, "more").len();
    let (code, _, stderr) = bench.call(&["run", "--reuse", "more.yaml"]);
    assert!(code == 0 && stderr.contains("reused"), "{stderr}");
    // One bit of one weight.
    let mut bytes = fs::read(bench.path("first.safetensors")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    bench.write("first.safetensors", bytes);
    let (code, _, stderr) = bench.call(&["reproduce", "more.yaml"]);
    assert!(code == 3 && stderr.contains("the weights to begin with: SHA-256 "), "{stderr}");
    assert_eq!(runs(&bench, "more").len(), before);
    assert_eq!(bench.call(&["run", "--reuse", "--quiet", "more.yaml"]).0, 0);
    assert_eq!(runs(&bench, "more").len(), before + 1);
}

#[test]
fn the_first_step_that_diverged_is_named() {
    let bench = locked();
    let mut altered = lock(&bench);
    altered["steps"][4] = serde_json::json!(2.5);
    altered["metrics"]["test_accuracy"] = serde_json::json!(0.99);
    bench.write("net.lock", altered.to_string());
    let (code, stdout, _) = bench.call(&["reproduce", "--quiet", "net.yaml"]);
    assert_eq!(code, 3, "{stdout}");
    for text in
        ["NOT REPRODUCED, though every bit is promised", "the first step that diverged is step 5", "instead of 2.5"]
    {
        assert!(stdout.contains(text), "no {text} in {stdout}");
    }
    assert!(stdout.contains("test_accuracy: ") && stdout.contains("instead of 99.00%"), "{stdout}");
    let run = runs(&bench, "net").pop().unwrap();
    assert_eq!(info(&run)["reproduction"]["holds"], false);
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("NOT REPRODUCED"));
    let mut altered = lock(&bench);
    altered["pipeline"]["training"]["epochs"] = 9.into();
    bench.write("net.lock", altered.to_string());
    let (code, _, stderr) = bench.call(&["reproduce", "net.yaml"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("error[bad-lock]") && stderr.contains("its pipeline was altered"), "{stderr}");
    for (content, said) in [("{", "net.lock:1:1"), ("[]", "it is no sound lock"), ("", "net.lock:1:0")] {
        bench.write("net.lock", content);
        let (code, _, stderr) = bench.call(&["reproduce", "net.yaml"]);
        assert!(code == 1 && stderr.contains(said), "{stderr}");
    }
    fs::remove_file(bench.path("net.lock")).unwrap();
    let (code, _, stderr) = bench.call(&["run", "--locked", "net.yaml"]);
    assert!(code == 1 && stderr.contains("cannot read the lock net.lock") && stderr.contains("`trainyard lock RUN`"));
}

#[test]
fn elsewhere_figures_are_held_to_what_seeds_spread() {
    let elsewhere = |bench: &Bench| {
        let mut command = bench.command(&["reproduce", "net.yaml"]);
        // Other vector instructions, as another processor has them.
        let output = command.env("ATEN_CPU_CAPABILITY", "default").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let bench = locked();
    let (code, stdout, stderr) = elsewhere(&bench);
    // Where the processor has nothing else, everything is the same, and that is as well.
    if stdout.contains("bit for bit:") {
        return;
    }
    assert_eq!(code, Some(3), "{stdout}{stderr}");
    assert!(
        stdout.contains("the lock holds no tolerances") && stderr.contains("not every bit is promised"),
        "{stdout}{stderr}"
    );

    let bench = ran(&["--seeds", "3"]);
    let (code, _, stderr) = bench.call(&["lock", "net"]);
    assert!(code == 0 && stderr.contains("measured from 3 runs with different seeds"), "{stderr}");
    let held = lock(&bench);
    assert_eq!(held["seeds"], serde_json::json!([3, 4, 5]));
    assert_eq!(held["seed"], 3);
    assert!(held["tolerances"]["test_loss"].as_f64().unwrap() > 0.0);
    let (code, stdout, stderr) = elsewhere(&bench);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("reproduced within the tolerances of 3 seeds"), "{stdout}");
    assert!(stdout.contains("the first step that diverged is step "), "{stdout}");
}

#[test]
fn a_lock_belongs_to_the_pipeline_as_it_is() {
    let bench = ran(&["--set", "training.optimizer.adam.learning_rate=0.002"]);
    let (code, _, stderr) = bench.call(&["lock", "net"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("error[bad-lock]") && stderr.contains("learning_rate: 0.002 -> 0.001"), "{stderr}");
    assert_eq!(bench.call(&["lock", "net", "--output", "other.lock"]).0, 0);
    let set = ["--set", "training.optimizer.adam.learning_rate=0.002"];
    let (code, stdout, _) =
        bench.call(&[&["reproduce", "--quiet", "net.yaml", "--lock", "other.lock"][..], &set].concat());
    assert!(code == 0 && stdout.contains("bit for bit"), "{stdout}");
}

#[test]
fn a_run_that_was_trained_in_two_ways_cannot_be_locked() {
    let bench = ran(&[]);
    let on = ["run", "--quiet", "--resume", "net", "--set", "training.epochs=4", "--allow", "training.epochs"];
    let faster = ["--set", "training.optimizer.adam.learning_rate=0.01", "--allow", "training.optimizer"];
    let (code, _, stderr) = bench.call(&[&on[..], &faster].concat());
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = bench.call(&["lock", "net", "--output", "x.lock"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("it could never be reproduced") && stderr.contains("0.001 -> 0.01"), "{stderr}");
    // More epochs alone give what one longer run gives.
    let first = runs(&bench, "net")[0].clone();
    let on = ["run", "--quiet", "--resume", first.to_str().unwrap(), "--set", "training.epochs=3"];
    assert_eq!(bench.call(&[&on[..], &["--allow", "training.epochs"]].concat()).0, 0);
    assert_eq!(bench.call(&["lock", "last", "--quiet", "--output", "x.lock"]).0, 0);
    let (code, stdout, _) =
        bench.call(&["reproduce", "net.yaml", "--quiet", "--lock", "x.lock", "--set", "training.epochs=3"]);
    assert!(code == 0 && stdout.contains("bit for bit"), "{stdout}");
    // Fewer than there are is nothing to go on with.
    let back = ["run", "--resume", "last", "--set", "training.epochs=2", "--allow", "training.epochs"];
    let (code, _, stderr) = bench.call(&back);
    assert!(code == 2 && stderr.contains("after 3 epochs: there is nothing to resume"), "{stderr}");
    let (code, _, stderr) = bench.call(&["run", "--resume", "last", "--allow", "epochs"]);
    assert!(code == 2 && stderr.contains("did you mean `training.epochs`?"), "{stderr}");
}

#[test]
fn what_is_refused_before_it_begins_is_told_to_ci_too() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("dropout:", "droput:"));
    let (code, stdout, _) = bench.call(&["run", "--quiet", "net.yaml", "--format", "github", "--junit", "a.xml"]);
    assert_eq!(code, 2);
    assert!(stdout.contains("::error file=net.yaml,line=15,col=") && stdout.contains("unknown layer"), "{stdout}");
    assert!(fs::read_to_string(bench.path("a.xml")).unwrap().contains("unknown-layer"));
    bench.write("net.yaml", NET);
    let (code, stdout, _) = bench.call(&["reproduce", "net.yaml", "--format", "github", "--junit", "b.xml"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("::error file=net.yaml") && stdout.contains("cannot read the lock"), "{stdout}");
    assert!(bench.path("b.xml").exists());
    for arguments in [&["--locked", "net.yaml"][..], &["--resume", "nothing"]] {
        let (code, stdout, _) =
            bench.call(&[&["run", "--format", "github", "--summary", "c.md"][..], arguments].concat());
        assert!(code != 0 && stdout.contains("::error "), "{stdout}");
        assert!(bench.path("c.md").exists());
        fs::remove_file(bench.path("c.md")).unwrap();
    }
}

#[test]
fn no_run_is_measured_against_itself() {
    let bench = Bench::new();
    let gate = "expect: {test_loss: {max_drop: 0.0001, against: previous, inconclusive: pass}}\n";
    let write = |rate: f64| {
        let net =
            NET.replace("epochs: 5", "epochs: 1").replace("loss:", &format!("optimizer: {{adam: {rate}}}\n  loss:"));
        bench.write("net.yaml", net + gate);
    };
    write(0.003);
    assert_eq!(bench.call(&["run", "--quiet", "net.yaml"]).0, 0);
    write(0.000_001);
    assert_eq!(bench.call(&["run", "--quiet", "net.yaml"]).0, 3);
    let (code, stdout, stderr) = bench.call(&["run", "--reuse", "net.yaml"]);
    assert!(code == 3 && stderr.contains("reused"), "{stdout}{stderr}");
    // Nor is a group against one of its own.
    let bad = info(&runs(&bench, "net")[1])["id"].as_str().unwrap().to_owned();
    let (_, stdout, _) = bench.call(&["run", "--quiet", "net.yaml", "--seeds", "2"]);
    let last = stdout.lines().rfind(|line| line.starts_with("expected test_loss")).unwrap();
    assert!(last.contains(&bad), "{stdout}");
}

#[test]
fn what_is_the_same_is_not_run_again() {
    let bench = ran(&[]);
    let (code, stdout, stderr) = bench.call(&["run", "--reuse", "net.yaml"]);
    assert_eq!((code, runs(&bench, "net").len()), (0, 1), "{stderr}");
    let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("reused")).collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(stdout.contains("test_accuracy: ") && stdout.contains("report: "), "{stdout}");
    let (code, _, _) = bench.call(&["run", "--quiet", "--reuse", "net.yaml", "--set", "seed=4"]);
    assert_eq!((code, runs(&bench, "net").len()), (0, 2));
    let (code, _, _) = bench.call(&["run", "--quiet", "--reuse", "net.yaml", "--set", "threads=1"]);
    assert_eq!((code, runs(&bench, "net").len()), (0, 3));
}

#[test]
fn several_pipelines_are_run_whatever_becomes_of_each() {
    let bench = Bench::new();
    let short = NET.replace("epochs: 5", "epochs: 1");
    bench.write("a.yaml", short.replace("name: net", "name: a"));
    bench.write("b.yaml", short.replace("dropout: 0.2", "dropout: 2"));
    bench.write("c.yaml", short.replace("name: net", "name: c") + "expect: {test_accuracy: {min: 0.999}}\n");
    bench.write(
        "d.yaml",
        short.replace("name: net", "name: d").replace("source: digits", "source: {table: {files: no.csv, label: x}}"),
    );
    let (code, stdout, stderr) = bench.call(&["run", "--quiet", "a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(code, 2, "{stderr}");
    let table: Vec<&str> = stdout.lines().rev().take(4).collect();
    assert!(table[3].starts_with("pipeline") && table[2].starts_with("a ") && table[2].contains(" done "), "{stdout}");
    assert!(table[1].starts_with("b.yaml") && table[1].contains("INVALID"), "{stdout}");
    assert!(table[0].starts_with("c ") && table[0].contains("NOT MET"), "{stdout}");
    let (code, stdout, _) =
        bench.call(&["run", "--quiet", "--json", "--reuse", "a.yaml", "b.yaml", "c.yaml", "d.yaml"]);
    assert_eq!(code, 2);
    let all: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let told: Vec<_> =
        all.iter().map(|one| (one["pipeline"].as_str().unwrap(), one["status"].as_str().unwrap())).collect();
    let wanted = [("a.yaml", "completed"), ("b.yaml", "invalid"), ("c.yaml", "completed"), ("d.yaml", "invalid")];
    assert_eq!(told, wanted);
}

#[test]
fn several_seeds_are_summed_up() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("epochs: 5", "epochs: 1") + "expect: {test_accuracy: {min: 0.999}}\n");
    let (code, stdout, stderr) = bench.call(&["run", "net.yaml", "--seeds", "2"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stdout.contains("95% interval of the mean") && stdout.contains("test_loss "), "{stdout}");
    let group = runs(&bench, "net").into_iter().find(|path| path.join("seeds.json").exists()).unwrap();
    let record: Value = serde_json::from_slice(&fs::read(group.join("seeds.json")).unwrap()).unwrap();
    let seeds: Vec<&Value> = record["runs"].as_array().unwrap().iter().map(|run| &run["seed"]).collect();
    assert_eq!(seeds, [&Value::from(3), &Value::from(4)]);
    let values: Vec<f64> =
        record["runs"].as_array().unwrap().iter().map(|run| run["figures"]["test_loss"].as_f64().unwrap()).collect();
    let mean = record["figures"]["test_loss"]["mean"].as_f64().unwrap();
    assert!((mean - (values[0] + values[1]) / 2.0).abs() < 1e-12 && values[0] != values[1]);
    let page = fs::read_to_string(group.join("report.html")).unwrap().replace("&#x2f;", "/");
    for run in record["runs"].as_array().unwrap() {
        let link = format!("href=\"../{}/report.html\"", run["id"].as_str().unwrap());
        assert!(page.contains(&link), "no {link}");
    }
    assert!(page.contains("seed 3") && page.contains("<svg"));
    // It is no run of its own.
    let (_, stdout, _) = bench.call(&["runs", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&stdout).unwrap().len(), 2);
}

#[test]
fn a_page_that_only_results_would_break_ends_the_first_epoch() {
    let bench = Bench::new();
    let page = "<html>{% for section in sections %}{% if section.id == 'classification-report' %}{{ section.nothing.more }}\
                {% endif %}{{ section.html }}{% endfor %}</html>";
    bench.write("page.html", page);
    bench.write("net.yaml", NET.to_owned() + "report: {template: page.html}\n");
    let (code, _, stderr) = bench.call(&["run", "--quiet", "net.yaml"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("found by a rehearsal with made-up results"), "{stderr}");
    let run = runs(&bench, "net").pop().unwrap();
    assert_eq!(info(&run)["training"]["epochs_done"], 1);
}

#[test]
fn passes_train_as_the_plain_layers_do() {
    // Digits, some 80 steps. With larger steps roundings alone decide which of two equals is a maximum, and libtorch differs from itself
    // with another number of threads by 3e-4.
    let losses = |flag: &[&str]| -> (Vec<f32>, Value) {
        let bench = Bench::new();
        let pipeline = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/digits.yaml")).unwrap();
        bench.write("digits.yaml", pipeline.split("\nexpect:").next().unwrap());
        let mut arguments = vec!["run", "--quiet", "digits.yaml", "--set", "training.epochs=2", "--set"];
        arguments.extend(["training.optimizer={sgd: {learning_rate: 0.01, momentum: 0.9}}", "--set", "evaluation=[]"]);
        arguments.extend(flag);
        let (code, _, stderr) = bench.call(&arguments);
        assert_eq!(code, 0, "{stderr}");
        let run = &runs(&bench, "digits")[0];
        let losses = fs::read(run.join("losses.f32")).unwrap();
        let losses = losses.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (losses, info(run))
    };
    let ((fast, with), (plain, without)) = (losses(&[]), losses(&["--no-optimize"]));
    assert!(with["provenance"]["passes"].as_array().unwrap().contains(&"fuse_blocks".into()), "{with}");
    assert_eq!(without["provenance"]["passes"], Value::Null);
    assert!(plain.len() > 50 && plain[plain.len() - 1] < 0.97 * plain[0], "{plain:?}");
    for (step, (fast, plain)) in fast.iter().zip(&plain).take(50).enumerate() {
        assert!((fast - plain).abs() < 1e-5 * plain, "step {step}: {fast} for {plain}");
    }
}
