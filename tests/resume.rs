//! Interrupts, kills and resumes the real program.

mod bench;

use bench::{
    Bench,
    net::{NET, assert_same, info, one_more, only_run, reference, runs, signal, wait_for_checkpoint},
};
use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

fn start(bench: &Bench, arguments: &[&str]) -> Child {
    bench.process(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn killed_at_any_moment_a_run_ends_as_if_nothing_had_happened() {
    let (_bench, whole) = reference(&[]);
    for (turn, share) in [0.15, 0.3, 0.45, 0.6, 0.75, 0.9].into_iter().enumerate() {
        let bench = Bench::new();
        bench.write("net.yaml", NET);
        let took = info(&whole)["timings"]["total"].as_f64().unwrap();
        let mut child = start(&bench, &["run", "--quiet", "net.yaml"]);
        std::thread::sleep(Duration::from_secs_f64(took * share));
        let _ = child.kill();
        child.wait().unwrap();
        // Killed before its record was there, it is no run yet; killed when it was done, it is complete.
        if !runs(&bench, "net").iter().any(|run| run.join("run.json").exists()) {
            continue;
        }
        let run = only_run(&bench);
        if info(&run)["status"] != "completed" {
            let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
            assert_eq!(code, 0, "{stderr}");
        }
        assert_same(&run, &whole, &format!("killed after {share} ({turn})"));
        assert_eq!(info(&run)["status"], "completed");
    }
}

/// A schedule over the whole training, momenta of kernels beside Adam's moments, epochs that end within a pass, and filters that
/// come from the data.
const RECIPE: [&str; 4] = [
    "training.optimizer={muon: {learning_rate: {one_cycle: {peak_learning_rate: 0.1}}, momentum: 0.6, rms_rate: 0, \
     keep_norm: true, exclude_layers: [dense], adam_lr_ratio: 0.05}}",
    "training.parameter_groups=[{layers: [dense], learning_rate_factor: 0.5}]",
    "training.steps_per_epoch=31",
    "model.layers[1].conv2d={filters: 8, kernel_size: 3, padding: same, activation: relu, \
     kernel_initializer: whitening, trainable: false}",
];

#[test]
fn a_recipe_that_is_killed_within_a_pass_ends_as_if_nothing_had_happened() {
    let (_whole, whole) = reference(&RECIPE);
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let sets = RECIPE.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["run", "--quiet", "net.yaml"].into_iter().chain(sets).collect();
    let mut child = start(&bench, &arguments);
    let run = wait_for_checkpoint(&bench, &mut child, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(info(&run)["status"], "completed");
    let longer = ["run", "--quiet", "--resume", "last", "--set", "training.epochs=6", "--allow", "training.epochs"];
    let (code, _, stderr) = bench.call(&longer);
    assert!(code != 0 && stderr.contains("hangs on how long the training is"), "{stderr}");
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 0, "{stderr}");
    assert_same(&run, &whole, "a recipe");
    let rates: Vec<f64> = fs::read_to_string(run.join("history.csv")).unwrap().lines().skip(1).map(rate).collect();
    assert!(rates.len() == 5 && rates[1] < 0.1 && rates[4] < rates[3] && rates[4] < 0.002, "{rates:?}");
}

/// All that stands around an optimizer's rule and remembers something, with epochs that end within an accumulated step.
#[test]
fn averages_slow_weights_and_half_steps_are_kept() {
    let update = "training.optimizer={rmsprop: {learning_rate: 0.002, momentum: 0.5, centered: true, global_clipnorm: 1, \
                  weight_decay: 0.01, exclude_from_weight_decay: ['*.bias'], gradient_accumulation_steps: 4, use_ema: true, \
                  ema_momentum: 0.9, ema_overwrite_frequency: 7, lookahead: {sync_period: 3}}}";
    let sets = [
        update,
        "training.steps_per_epoch=31",
        "training.checkpoint={steps: 9}",
        "training.metrics=[accuracy, auc, f1_score]",
        "training.watch=[gradient_norm, dead_activations]",
        "training.callbacks=[{reduce_lr_on_plateau: {patience: 1, min_delta: 9, cooldown: 1}}, \
         {model_checkpoint: {save_best_only: true}}, {early_stopping: {patience: 9}}]",
    ];
    let (_whole, whole) = reference(&sets);
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let arguments: Vec<&str> =
        ["run", "--quiet", "net.yaml"].into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect();
    let mut child = start(&bench, &arguments);
    let run = wait_for_checkpoint(&bench, &mut child, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(info(&run)["status"], "completed");
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 0, "{stderr}");
    assert_same(&run, &whole, "averages");
    let untimed = |run: &std::path::Path| -> Vec<Vec<String>> {
        let text = fs::read_to_string(run.join("history.csv")).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let is_timed = |at: usize| ["seconds", "images_per_second", "data_wait_seconds"].contains(&header[at]);
        let row = |line: &str| {
            line.split(',').enumerate().filter(|(at, _)| !is_timed(*at)).map(|(_, it)| it.into()).collect()
        };
        text.lines().map(row).collect()
    };
    assert_eq!(untimed(&run), untimed(&whole));
    let best = |run: &std::path::Path| fs::read(run.join("best-val_loss.safetensors")).unwrap();
    assert_eq!(best(&run), best(&whole));
    // What the model got at the end isn't what training would go on with.
    let checkpoint = fs::read_dir(run.join("checkpoint")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let weights = |directory: &std::path::Path| fs::read(directory.join("model.safetensors")).unwrap();
    assert_ne!(weights(&checkpoint), weights(&run));
}

/// What a row of `history.csv` says of the learning rate.
fn rate(row: &str) -> f64 {
    let columns: Vec<&str> = row.split(',').collect();
    columns[columns.len() - 4].parse().unwrap()
}

#[test]
fn signals_end_a_run_with_a_checkpoint_and_a_report() {
    let (_bench, whole) = reference(&["training.epochs=30"]);
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let bench = Bench::new();
        bench.write("net.yaml", NET);
        let mut child = start(&bench, &["run", "net.yaml", "--set", "training.epochs=30"]);
        let run = wait_for_checkpoint(&bench, &mut child, 1);
        signal(name, child.id());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        assert!(said.contains("trainyard run --resume /"), "{said}");
        let about = info(&run);
        assert_eq!((&about["status"], about["finished"].is_string()), (&"interrupted".into(), true), "{name}");
        assert!(!run.join("predictions.parquet").exists(), "nothing is evaluated");
        assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("Interrupted"));
        let (code, _, stderr) = bench.call(&["run", "--resume", run.to_str().unwrap()]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("going on with"), "{stderr}");
        assert_same(&run, &whole, name);
        assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("Resumed "));
        assert_eq!(info(&run)["resumed"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_second_signal_ends_at_once_and_an_ignored_one_does_nothing() {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let mut child = start(&bench, &["run", "--quiet", "net.yaml", "--set", "training.epochs=100000"]);
    let run = wait_for_checkpoint(&bench, &mut child, 1);
    signal("-INT", child.id());
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(bench.call(&["report", run.to_str().unwrap()]).0, 0, "the directory is sound");

    let program = assert_cmd::cargo::cargo_bin("trainyard");
    let command = format!("trap '' HUP; exec {} run --quiet net.yaml --set name=kept", program.display());
    let mut child = Command::new("sh").args(["-c", &command]).current_dir(bench.path("")).spawn().unwrap();
    while runs(&bench, "kept").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal("-HUP", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(0), "as with nohup");
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let program = assert_cmd::cargo::cargo_bin("trainyard");
    let command = format!("{{ {} run net.yaml; echo $? >code; }} 2>&1 | true", program.display());
    assert!(Command::new("bash").args(["-c", &command]).current_dir(bench.path("")).status().unwrap().success());
    let begin = Instant::now();
    while !bench.path("code").exists() || fs::read(bench.path("code")).unwrap().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(300));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(fs::read_to_string(bench.path("code")).unwrap().trim(), "0");
    assert_eq!(info(&only_run(&bench))["status"], "completed");
}

/// A run of two epochs of five that was interrupted.
fn interrupted() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let mut child = start(&bench, &["run", "--quiet", "net.yaml"]);
    let run = wait_for_checkpoint(&bench, &mut child, 1);
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    (bench, run)
}

#[test]
fn a_torn_checkpoint_is_passed_over_with_a_warning() {
    let (_bench, whole) = reference(&[]);
    let (bench, run) = interrupted();
    // However the interrupt came, there are to be two.
    if fs::read_dir(run.join("checkpoint")).unwrap().count() < 2 {
        let mut child = start(&bench, &["run", "--quiet", "--resume", "last"]);
        std::thread::sleep(Duration::from_millis(300));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let mut kept: Vec<PathBuf> =
        fs::read_dir(run.join("checkpoint")).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    kept.retain(|path| path.join("manifest.json").exists());
    let latest = kept.last().unwrap();
    let weights = latest.join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("warning[bad-run]: a checkpoint is passed over"), "{stderr}");
    assert!(stderr.contains("`model.safetensors` has"), "{stderr}");
    assert_same(&run, &whole, "torn");
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("A checkpoint is passed over"));
}

#[test]
fn what_may_be_different_is_held_to() {
    let (bench, run) = interrupted();
    let resume = |more: &[&str]| {
        let mut arguments = vec!["run", "--quiet", "--resume", "net"];
        arguments.extend(more);
        bench.call(&arguments)
    };
    let (code, _, stderr) = resume(&["--set", "seed=4", "--set", "model.layers[1].conv2d.filters=16"]);
    assert_eq!(code, 2, "{stderr}");
    for text in ["error[cannot-resume]", "seed: 3 -> 4", "model.layers[1].conv2d.filters: 8 -> 16", "begin a new run"] {
        assert!(stderr.contains(text), "no {text} in {stderr}");
    }
    let (code, _, stderr) =
        resume(&["--set", "training.epochs=6", "--set", "training.optimizer.adam.learning_rate=0.01"]);
    assert_eq!(code, 2, "{stderr}");
    let wanted = "--allow training.optimizer --allow training.epochs";
    for text in ["training.epochs: 5 -> 6", "0.001 -> 0.01", wanted] {
        assert!(stderr.contains(text), "no {text} in {stderr}");
    }
    assert_eq!(info(&run)["status"], "interrupted", "nothing has happened to it");
    // In a file of its own, with another title, which is free.
    let file = NET.replace("epochs: 5", "epochs: 6") + "report: {title: Longer}\n";
    bench.write("longer.yaml", file);
    let (code, _, stderr) = bench.call(&["run", "--resume", "last", "longer.yaml", "--allow", "training.epochs"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("5 -> 6 epochs: the learning rate is 0.001 throughout"), "{stderr}");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("<code>training.epochs: 5 -&gt; 6</code>") && report.contains("Longer"));
    assert_eq!(info(&run)["training"]["epochs_done"], 6);
    let resolved = fs::read_to_string(run.join("resolved.yaml")).unwrap();
    assert!(resolved.contains("epochs: 6"), "{resolved}");
}

#[test]
fn a_complete_run_can_be_extended_and_stays_as_it_was() {
    let (long, whole) = reference(&["training.epochs=8"]);
    let (bench, run) = reference(&[]);
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("is complete, after 5 epochs: there is nothing to resume"), "{stderr}");
    let before = fs::read(run.join("run.json")).unwrap();
    let extend = ["run", "--quiet", "--resume", "last", "--set", "training.epochs=8", "--allow", "training.epochs"];
    let (code, _, stderr) = bench.call(&extend);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(fs::read(run.join("run.json")).unwrap(), before);
    let extended = runs(&bench, "net").into_iter().find(|path| *path != run).unwrap();
    assert_same(&extended, &whole, "extended");
    let about = info(&extended);
    assert_eq!(about["lineage"]["id"].as_str(), run.file_name().unwrap().to_str());
    assert!(fs::read_to_string(extended.join("report.html")).unwrap().contains("It goes on with the run"));
    drop(long);
}

#[test]
fn two_processes_cannot_write_one_run() {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let mut child = start(&bench, &["run", "--quiet", "net.yaml", "--set", "training.epochs=100000"]);
    let run = wait_for_checkpoint(&bench, &mut child, 1);
    let (code, _, stderr) = bench.call(&["run", "--resume", "last"]);
    assert_eq!(code, 1, "{stderr}");
    let who = format!("the process {} is at work in ", child.id());
    assert!(stderr.contains(&who), "{stderr}");
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock of a process that is dead holds nobody up.
    assert!(run.join(".lock").exists());
    let (code, _, stderr) =
        bench.call(&["run", "--quiet", "--resume", "last", "--set", &one_more(&run), "--allow", "training.epochs"]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn other_data_are_refused() {
    let bench = Bench::new();
    for (index, class) in [0, 1].iter().flat_map(|class| (0..20).map(move |index| (index, class))) {
        let shade = if *class == 0 { 30 + index } else { 200 + index };
        let image = image(shade as u8);
        bench.write(&format!("data/train/{class}/{index}.png"), &image);
        bench.write(&format!("data/test/{class}/{index}.png"), &image);
    }
    let source = "{image_folder: {train: data/train, test: data/test, image_size: 8}}";
    let net = NET.replace("source: digits", &format!("source: {source}")).replace("dense: 10", "dense: 2");
    bench.write("net.yaml", net.replace("steps: 7", "steps: 1"));
    let mut child = start(&bench, &["run", "--quiet", "net.yaml", "--set", "training.epochs=100000"]);
    wait_for_checkpoint(&bench, &mut child, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    bench.write("data/train/0/3.png", image(99));
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("error[data-changed]") && stderr.contains("begin a new run"), "{stderr}");
}

/// A grey image of 8 by 8 pixels as PNG.
fn image(shade: u8) -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    let pixels = image::RgbImage::from_pixel(8, 8, image::Rgb([shade, shade, shade]));
    pixels.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}
