//! Drives the commands around a run: what they print, where, and how they end.

mod bench;

use bench::Bench;
use std::fs;

const SOUND: &str = "\
version: 1
dataset:
  source: digits
  train: [shuffle, {batch: 32}]
model:
  layers: [{rescaling: 1/255}, flatten, {dense: 10}]
training: {loss: sparse_categorical_crossentropy, epochs: 2}
";

#[test]
fn check_tells_other_programs_on_standard_output() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND);
    bench.write("wrong.yaml", SOUND.replace("flatten", "flaten"));
    for arguments in [["--format", "json"], ["--json", "--quiet"]] {
        let mut all = vec!["check", "sound.yaml", "wrong.yaml"];
        all.extend(arguments);
        let (code, stdout, stderr) = bench.call(&all);
        assert_eq!((code, stderr.as_str()), (2, ""));
        let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["files"].as_array().unwrap().len(), 2);
        assert_eq!(document["files"][1]["diagnostics"][0]["code"], "unknown-layer");
    }
    let (code, stdout, stderr) = bench.call(&["check", "--format", "github", "sound.yaml", "wrong.yaml"]);
    assert_eq!((code, stderr.as_str()), (2, ""));
    assert!(stdout.starts_with("::error file=wrong.yaml,line=6,col=32,") && stdout.lines().count() == 1, "{stdout}");
    // A file of the working directory is named from there however it is given.
    let absolute = bench.path("wrong.yaml").canonicalize().unwrap();
    let (code, stdout, stderr) = bench.call(&["check", "--format", "sarif", absolute.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (2, ""));
    assert!(stdout.contains("\"uri\": \"wrong.yaml\""), "{stdout}");
    let (_, stdout, stderr) = bench.call(&["check", "sound.yaml", "wrong.yaml"]);
    assert_eq!(stdout, "sound.yaml: no mistakes found\n");
    assert!(stderr.ends_with("wrong.yaml: 1 error\n"), "{stderr}");
}

#[test]
fn diff_shows_what_differs_and_where_it_was_written() {
    let bench = Bench::new();
    bench.write("a.yaml", SOUND);
    // Other names by default, sugar, key order and written-out defaults mean nothing.
    let same = "\
training: {epochs: 2, optimizer: {adam: {learning_rate: 1e-3}}, loss: {sparse_categorical_crossentropy: {}}}
model: {layers: [{rescaling: {scale: 1/255}}, {flatten: {}}, {dense: {units: 10}}]}
dataset: {train: [{shuffle: {}}, {batch: {batch_size: 32}}], source: {digits: {}}}
seed: 0
version: 1
";
    bench.write("same.yaml", same);
    let (code, stdout, stderr) = bench.call(&["diff", "a.yaml", "same.yaml", "--exit-code"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "no difference in meaning\n", ""));

    let other = SOUND.replace("flatten, {dense: 10}", "flatten, {dropout: 0.3}, {dense: {units: 12}}");
    bench.write(
        "b.yaml",
        format!("name: b\n{other}seed: 4\n").replace("epochs: 2", "optimizer: {adam: 0.1}, epochs: 2"),
    );
    let set = ["--set", "training.epochs=5"];
    let call = |more: &[&str]| bench.call(&[&["diff", "a.yaml", "b.yaml"], &set[..], more].concat());
    let (code, stdout, stderr) = call(&[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!(stdout);
    assert_eq!(call(&["--exit-code"]).0, 1);

    let (code, stdout, _) = call(&["--json"]);
    assert_eq!(code, 0);
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let all = document["differences"].as_array().unwrap();
    let epochs = all.iter().find(|found| found["path"] == "training.epochs").unwrap();
    assert_eq!(epochs["old"]["written"], serde_json::json!({ "file": "a.yaml", "line": 7 }));
    assert_eq!(
        epochs["new"],
        serde_json::json!({
            "path": "training.epochs", "value": 5, "written": { "file": "--set", "line": null },
        })
    );
    let seed = all.iter().find(|found| found["path"] == "seed").unwrap();
    assert_eq!(seed["old"]["written"], serde_json::Value::Null);
}

#[test]
fn diff_reads_runs_and_refuses_what_it_cannot_read() {
    let bench = Bench::new();
    bench.write("a.yaml", SOUND);
    let (code, stdout, stderr) = bench.call(&["run", "a.yaml", "--set", "training.epochs=1", "--json", "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    let result: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let run = result["run"].as_str().unwrap();
    let (code, stdout, _) = bench.call(&["diff", run, "a.yaml"]);
    assert_eq!(code, 0);
    let line = stdout.strip_suffix('\n').unwrap();
    assert!(line.starts_with("training.epochs: 1 -> 2   (") && line.ends_with(" -> a.yaml:7)"), "{line}");
    assert!(line.contains("resolved.yaml:"), "{line}");

    bench.write("wrong.yaml", SOUND.replace("flatten", "flaten"));
    for (other, said) in [("wrong.yaml", "error[unknown-layer]"), ("nowhere.yaml", "no such file"), (".", "is no run")]
    {
        let (code, stdout, stderr) = bench.call(&["diff", "a.yaml", other, "--exit-code"]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

const TEMPLATES: [&str; 4] = ["digits", "cifar10", "image-folder", "table"];

#[test]
fn new_writes_each_template_and_check_finds_nothing_in_it() {
    let bench = Bench::new();
    let (code, stdout, _) = bench.call(&["new", "--list"]);
    assert_eq!(code, 0);
    let names: Vec<&str> = stdout.lines().filter_map(|line| line.split("  ").next()).map(str::trim).collect();
    assert_eq!(names, TEMPLATES);
    for template in TEMPLATES {
        let file = format!("{template}.yaml");
        let (code, stdout, stderr) = bench.call(&["new", "--template", template]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        let (first, second) = stdout.trim_end().split_once('\n').unwrap();
        assert_eq!(first, format!("wrote {file}"));
        assert!(second.starts_with("next: trainyard ") && second.ends_with(&file), "{stdout}");
        let (code, _, stderr) = bench.call(&["check", "--deny", "warnings", &file]);
        assert_eq!(code, 0, "{stderr}");
    }
}

#[test]
fn what_the_templates_say_in_comments_is_true() {
    let bench = Bench::new();
    for template in TEMPLATES {
        let file = format!("{template}.yaml");
        bench.call(&["new", "--template", template]);
        // Every key that is commented out, as it stands there.
        let text = fs::read_to_string(bench.path(&file)).unwrap();
        let is_yaml = |line: &str| {
            let line = line.trim_start();
            line.starts_with('-') || line.split(' ').next().is_some_and(|word| word.ends_with(':'))
        };
        let uncommented: Vec<String> = text
            .lines()
            .skip_while(|line| !line.starts_with("version:"))
            .map(|line| match line.split_once("# ") {
                Some((indentation, rest)) if indentation.trim().is_empty() && is_yaml(rest) => {
                    format!("{indentation}{rest}")
                }
                _ => line.to_owned(),
            })
            .collect();
        assert!(uncommented.iter().any(|line| line.starts_with("expect:")), "{uncommented:?}");
        bench.write("full.yaml", uncommented.join("\n") + "\n");
        let (code, stdout, stderr) = bench.call(&["check", "full.yaml"]);
        assert_eq!((code, stdout.as_str()), (0, "full.yaml: no mistakes found\n"), "{stderr}");
        // What stands there as the default is the default.
        let (_, stdout, _) = bench.call(&["diff", &file, "full.yaml"]);
        let differing: Vec<&str> = stdout.lines().filter(|line| !line.starts_with("name: ")).collect();
        assert!(differing.len() == 1 && differing[0].starts_with("+ expect.test_accuracy: "), "{stdout}");
        for set in [
            "dataset.source=digits",
            "dataset.source={image_folder: {train: data/train, test: data/test}}",
            "dataset.validation=none",
            "dataset.train=[{shuffle: 1000}, {batch: 8}]",
            "training.optimizer={adam: {learning_rate: 0.0003}}",
            "device=cuda:1",
        ] {
            // Without validation there is nothing that early stopping could look at.
            let (_, _, stderr) = bench.call(&["check", &file, "--set", set, "--set", "training.callbacks=[]"]);
            let allowed = ["error[class-count]", "error[shape]"];
            let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error")).collect();
            assert!(errors.iter().all(|e| allowed.iter().any(|a| e.starts_with(a))), "{set}: {stderr}");
        }
    }
}

#[test]
fn new_overwrites_nothing_and_takes_plain_names_only() {
    let bench = Bench::new();
    bench.write("mine.yaml", "mine");
    let (code, stdout, stderr) = bench.call(&["new", "mine"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("mine.yaml is there already") && stderr.contains("another name"), "{stderr}");
    assert_eq!(fs::read_to_string(bench.path("mine.yaml")).unwrap(), "mine");
    for name in ["../up", "a/b", "a\\b", "", ".hidden", "a b", "é", "..", "a\nb"] {
        let (code, stdout, stderr) = bench.call(&["new", name]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{name:?}");
        assert!(stderr.contains("cannot be a pipeline's name"), "{stderr}");
    }
    assert_eq!(bench.call(&["new", "x", "--template", "digit"]).0, 2);
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 1);
}

#[test]
fn new_names_a_schema_that_is_near() {
    let bench = Bench::new();
    assert_eq!(bench.call(&["new", "far.yaml", "--quiet"]).1, "wrote far.yaml\n");
    assert!(!fs::read_to_string(bench.path("far.yaml")).unwrap().contains("yaml-language-server"));
    bench.call(&["schema", "--output", "pipeline.schema.json"]);
    bench.call(&["new", "near"]);
    let text = fs::read_to_string(bench.path("near.yaml")).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema=pipeline.schema.json\n"), "{text}");
    assert_eq!(bench.call(&["check", "near.yaml"]).1, "near.yaml: no mistakes found\n");
}

const NETWORK: &str = "\
extends: sound.yaml
description: \"A block: with a shortcut\"
model:
  layers:
    - rescaling: 1/255
    - residual: [conv2d: {filters: 4, kernel_size: 3, padding: same}]
    - flatten
    - dense: 10
";

#[test]
fn plan_shows_what_a_run_would_do_and_where_values_come_from() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND);
    bench.write("network.yaml", NETWORK.replace("filters: 4", "filters: 1"));
    let (code, stdout, stderr) = bench.call(&["plan", "network.yaml", "--set", "training.epochs=3"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::with_settings!({ filters => vec![
        (r" of [0-9.]+ [KMGTP]iB:", " of [MEMORY]:"),
        (r"(?m)^device .*$", "device               [DEVICE]"),
    ] }, {
        insta::assert_snapshot!(stdout);
    });
    let (code, stdout, _) = bench.call(&["plan", "network.yaml", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &plan["steps"]["steps_per_epoch"]), (0, &45.into()));

    // What a past run of the same layers took.
    assert_eq!(bench.call(&["run", "network.yaml"]).0, 0);
    let (_, stdout, _) = bench.call(&["plan", "network.yaml"]);
    let last = |stdout: &str| stdout.lines().last().unwrap().to_owned();
    assert!(
        last(&stdout).starts_with("time ") && last(&stdout).contains(" for 2 epochs, as runs/network/"),
        "{stdout}"
    );
    // One with other threads tells nothing of that.
    let (_, stdout, _) = bench.call(&["plan", "network.yaml", "--set", "threads=77"]);
    assert!(last(&stdout).contains("not known: runs/network/"), "{stdout}");
    assert!(last(&stdout).contains(" had 1 process of "), "{stdout}");

    // What several processes would send each other.
    let shared = ["plan", "network.yaml", "--set", "strategy.data_parallel=4", "--bandwidth", "1Gbit/s"];
    let (code, stdout, _) = bench.call(&shared);
    let line = |name: &str| stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert_eq!(code, 0);
    assert!(line("processes").contains("examples of a batch each"), "{stdout}");
    assert!(line("memory").contains(" for each process: "), "{stdout}");
    assert!(line("processes").contains("on a machine like this one each"), "{stdout}");
    assert!(line("efficiency").contains(" of waiting for each other, "), "{stdout}");
    assert!(line("efficiency").contains("at 1.0 Gbit/s the "), "{stdout}");
    assert!(line("time").contains("by the model of docs/scaling.md from runs/network/"), "{stdout}");
    assert!(line("communication").contains(" a step over Gloo, "), "{stdout}");
    let (_, stdout, _) = bench.call(&[&shared[..], &["--json"]].concat());
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let sharing = &plan["sharing"];
    let number = |name: &str| sharing[name].as_f64().unwrap();
    assert_eq!((number("processes"), number("sent")), (4.0, 1.5 * number("gradients")), "{sharing}");
    let step = |name: &str| sharing["step"][name].as_f64().unwrap();
    assert!((number("transfer") - 8.0 * number("sent") / 1e9).abs() < 1e-9 && step("efficiency") < 1.0, "{sharing}");
    assert!(step("adding_up") > 0.0 && step("adding_up") < number("transfer"), "{sharing}");
    // What isn't hidden of the sums is a part of the time.
    let seconds = |bandwidth: &str| {
        let (_, stdout, _) = bench.call(&[&shared[..4], &["--bandwidth", bandwidth, "--json"]].concat());
        let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        plan["estimate"]["epoch_seconds"].as_f64().unwrap()
    };
    let (fast, slow) = (seconds("1gbps"), seconds("1kbit/s"));
    let travelling = 45.0 * 8.0 * number("sent") * (1e-3 - 1e-9) * step("adding_up") / number("transfer");
    assert!((slow - fast - travelling).abs() < 0.1 + 0.001 * travelling, "{slow} - {fast} and {travelling}");

    // Many processes on this machine are said to be crowded, and parts of the training data to be counted about.
    let many = ["strategy.data_parallel=32", "dataset.validation={split: 0.1}"];
    let (_, stdout, stderr) = bench.call(&["plan", "network.yaml", "--set", many[0], "--set", many[1]]);
    if std::thread::available_parallelism().unwrap().get() < 32 {
        assert!(stderr.contains("warning[too-many-threads]: 32 processes of 1 thread, and "), "{stderr}");
        assert!(stdout.contains("32 processes of 1 thread, 1 example of a batch each, crowded on "), "{stdout}");
    }
    for about in ["training examples    about 1,29", "validation examples  about 14", "about 41 an epoch"] {
        assert!(stdout.contains(about), "{about}: {stdout}");
    }

    let (code, _, stderr) = bench.call(&["plan", "network.yaml", "--bandwidth", "fast"]);
    assert!(code == 2 && stderr.contains("a bandwidth, such as `10Gbit/s`"), "{stderr}");
}

#[test]
fn warnings_are_allowed_and_denied() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND.replace("shuffle, ", ""));
    for (arguments, code, told) in [
        (&["check", "sound.yaml"][..], 0, "warning[unshuffled-training]"),
        (&["check", "sound.yaml", "--allow", "unshuffled-training"], 0, ""),
        (&["check", "sound.yaml", "--deny", "warnings"], 2, "error[unshuffled-training]"),
        (&["check", "sound.yaml", "--deny", "unshuffled-training"], 2, "error[unshuffled-training]"),
        (&["check", "sound.yaml", "--deny", "warnings", "--allow", "unshuffled-training"], 0, ""),
        (&["check", "sound.yaml", "--deny", "linear-stack"], 0, "warning[unshuffled-training]"),
        (&["check", "sound.yaml", "--allow", "unshufled"], 2, "error[unknown-code]"),
        (&["run", "sound.yaml", "--deny", "warnings"], 2, "error[unshuffled-training]"),
    ] {
        let (ended, _, stderr) = bench.call(arguments);
        assert!(ended == code && stderr.starts_with(told), "{arguments:?} ended with {ended}: {stderr}");
    }
    bench.write("other.yaml", format!("name: sound\n{}", SOUND));
    let (code, _, stderr) = bench.call(&["check", "sound.yaml", "other.yaml", "--deny", "same-name"]);
    assert!(code == 2 && stderr.contains("error[same-name]: `sound` is the name of sound.yaml too"), "{stderr}");
}

#[test]
fn explain_knows_every_key_and_every_code() {
    let bench = Bench::new();
    let (code, overview, _) = bench.call(&["explain", "--json"]);
    assert_eq!(code, 0);
    let overview: serde_json::Value = serde_json::from_str(&overview).unwrap();
    for item in overview["keys"].as_array().unwrap() {
        assert!(!item["description"].as_str().unwrap().is_empty(), "{item}");
        assert!(!item["stands_in"].as_array().unwrap().is_empty(), "{item}");
    }
    let mut all = String::new();
    for subject in
        ["layers.conv2d", "model.layers[1].conv2d.padding", "epochs", "dataset.train", "shape", "lr", "nothing"]
    {
        let (code, stdout, stderr) = bench.call(&["explain", subject]);
        all += &format!("==== explain {subject}: {code}\n{stdout}{stderr}");
    }
    insta::assert_snapshot!(all);
    let (code, stdout, _) = bench.call(&["explain"]);
    assert!(code == 0 && stdout.contains("early_stopping") && stdout.contains("  unknown-layer"));
}

#[test]
fn a_network_of_blocks_trains_and_can_be_used() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND);
    let blocks = "[conv2d: {filters: 1, kernel_size: 3, padding: same, activation: relu}]";
    let layers = format!(
        "[{{rescaling: 1/255}}, {{repeat: {{times: 2, layers: [{{residual: {blocks}}}]}}}}, \
         {{branches: [{blocks}, [], {blocks}]}}, flatten, {{dense: 10}}]"
    );
    bench.write("blocks.yaml", format!("extends: sound.yaml\nmodel:\n  layers: {layers}\n"));
    let (code, table, _) = bench.call(&["summary", "blocks.yaml"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(table);
    let (code, stdout, stderr) = bench.call(&["run", "blocks.yaml", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let run: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let directory = run["run"].as_str().unwrap();
    let (code, stdout, _) = bench.call(&["evaluate", directory, "--json"]);
    let again: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &again["metrics"]), (0, &run["metrics"]));
    // Resolved, it is the same network, trained to the same bytes.
    let resolved = format!("{directory}/resolved.yaml");
    let (_, stdout, _) = bench.call(&["run", &resolved, "--json"]);
    let second: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(second["weights_digest"], run["weights_digest"]);
    let written = fs::read_to_string(bench.path(directory).join("pipeline.yaml")).unwrap();
    assert!(written.contains("# extends sound.yaml:\n#   version: 1\n"), "{written}");
}

#[test]
fn a_preset_is_a_name_for_layers_that_can_be_written_out() {
    let bench = Bench::new();
    let preset = "{resnet: {depth: 20, width: 2}}";
    let short = "epochs: 1, steps_per_epoch: 3, metrics: [accuracy]";
    bench.write("preset.yaml", SOUND.replace("flatten, {dense: 10}", preset).replace("epochs: 2", short));
    let (code, table, stderr) = bench.call(&["summary", "preset.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    // The number of classes is that of the source.
    assert!(table.contains("\n  dense  ") || table.contains("    dense "), "{table}");
    let (code, expanded, stderr) = bench.call(&["summary", "--expand", "preset.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    insta::assert_snapshot!(expanded);
    bench.write("expanded.yaml", &expanded);
    let (code, _, stderr) = bench.call(&["check", "expanded.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    let rows = |file: &str| -> Vec<(String, u64)> {
        let (_, stdout, _) = bench.call(&["summary", file, "--json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout).unwrap();
        let row =
            |row: &serde_json::Value| (row["name"].as_str().unwrap().to_owned(), row["parameters"].as_u64().unwrap());
        rows.iter().map(row).filter(|(name, _)| name != "resnet").collect()
    };
    assert_eq!(rows("preset.yaml"), rows("expanded.yaml"));
    let digest = |file: &str| {
        let (code, stdout, stderr) = bench.call(&["run", file, "--json"]);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str::<serde_json::Value>(&stdout).unwrap()["weights_digest"].clone()
    };
    assert_eq!(digest("preset.yaml"), digest("expanded.yaml"));
}

#[test]
fn training_begins_with_the_weights_of_another_run() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND);
    let (_, stdout, _) = bench.call(&["run", "sound.yaml", "--json"]);
    let run: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let weights = format!("{}/model.safetensors", run["run"].as_str().unwrap());
    fs::copy(bench.path(&weights), bench.path("first.safetensors")).unwrap();
    let still = "optimizer: {sgd: 1e-9}, epochs: 1, steps_per_epoch: 1";
    let with = |initial: &str, layers: &str| {
        let model = format!("layers: [{{rescaling: 1/255}}, flatten, {layers}]\n  initial_weights: {initial}");
        SOUND.replace("layers: [{rescaling: 1/255}, flatten, {dense: 10}]", &model).replace("epochs: 2", still)
    };
    bench.write("same.yaml", with("first.safetensors", "{dense: 10}"));
    let (code, stdout, stderr) = bench.call(&["run", "same.yaml", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let again: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(again["metrics"]["test_accuracy"], run["metrics"]["test_accuracy"]);
    // Another head is left out; the names are those of the file.
    let lax = "{file: first.safetensors, names: {\"dense.*\": \"dense_1.*\"}, strict: false}";
    bench.write("lax.yaml", with(lax, "{dense: 64}, {activation: relu}, {dense: 10}"));
    bench.write("strict.yaml", with("first.safetensors", "{dense: 64}, {activation: relu}, {dense: 10}"));
    bench.write("nothing.yaml", with("{file: none.safetensors}", "{dense: 10}"));
    bench.write("pickle.safetensors", b"\x80\x02}q\x00.");
    bench.write("pickle.yaml", with("pickle.safetensors", "{dense: 10}"));
    let idle = "{file: first.safetensors, names: {\"head.*\": null}}";
    bench.write("idle.yaml", with(idle, "{dense: 10}"));
    let said: Vec<String> = ["lax", "strict", "nothing", "pickle", "idle"]
        .map(|name| bench.call(&["check", &format!("{name}.yaml")]).2)
        .into();
    insta::assert_snapshot!(said.join("\n"));
}

/// What no pipeline alone can bring about, told as everything else is.
#[test]
fn what_only_surroundings_and_training_can_bring_about() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND);
    let (_, stdout, _) = bench.call(&["run", "sound.yaml", "--json"]);
    let run: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let run = run["run"].as_str().unwrap();
    bench.write("cat.jpg", b"no image at all");
    bench.write("cifar10.yaml", SOUND.replace("digits", "cifar10").replace("rescaling: 1/255", "rescaling: 0.003"));
    fs::create_dir_all(bench.path("data/cifar-10-batches-bin")).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        bench.write(&format!("data/cifar-10-batches-bin/{name}.bin"), b"short");
    }
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";
    bench.write("data/cifar-10-batches-bin/batches.meta.txt", names);
    let diverging = "model.layers[0].rescaling.scale=1e38";
    let mut all = String::new();
    for (code, arguments) in [
        ("bad-run", &["report", "cache"][..]),
        ("bad-image", &["predict", run, "cat.jpg"]),
        ("bad-data", &["check", "--deep", "cifar10.yaml", "--data-dir", "data"]),
        ("download", &["run", "cifar10.yaml"]),
        ("not-finite", &["run", "sound.yaml", "--set", diverging, "--allow", "unscaled-input"]),
    ] {
        let _ = fs::create_dir(bench.path("cache"));
        let (ended, _, stderr) = bench.call(arguments);
        let at = stderr.find(&format!("error[{code}]")).unwrap_or_else(|| panic!("{code}: {stderr}"));
        let told = stderr[at..].split("\n\n").next().unwrap_or_default();
        all += &format!("==== {ended}\n{told}\n");
    }
    insta::with_settings!({ filters => vec![(r"runs/sound/[0-9-]+-\w+", "[RUN]"), (r"/\S*/\.tmp\w+", "[DIR]")] }, {
        insta::assert_snapshot!(all);
    });
}

#[test]
fn data_is_listed_fetched_inspected_and_verified() {
    let bench = Bench::new();
    bench.write("sound.yaml", SOUND.replace("digits\n", "digits\n  validation: {split: 0.1}\n"));
    let (code, stdout, _) = bench.call(&["data", "list"]);
    assert!(code == 0 && stdout.starts_with("digits ") && stdout.contains("\nimage_folder "), "{stdout}");
    let (code, stdout, _) = bench.call(&["data", "inspect", "sound.yaml", "--html", "data.html"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(stdout);
    let page = fs::read_to_string(bench.path("data.html")).unwrap();
    assert!(page.matches("<img src=\"data:image/png;base64,").count() == 75);
    // Its own, and the results, of which there are none.
    assert_eq!(page.matches("<script").count(), 2);
    let augment = "dataset.train=[{augment: [{random_flip: horizontal}]}, shuffle, {batch: 32}]";
    assert_eq!(bench.call(&["data", "inspect", "sound.yaml", "--html", "data.html", "--set", augment]).0, 0);
    let page = fs::read_to_string(bench.path("data.html")).unwrap();
    assert!(page.contains("the same, augmented") && page.matches("<img ").count() == 100);
    let (code, stdout, _) = bench.call(&["data", "verify", "sound.yaml"]);
    assert_eq!((code, stdout.as_str()), (0, "1,797 of 1,797 examples can be read\n"));
    let (code, stdout, _) = bench.call(&["data", "fetch", "digits", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &found["test"]), (0, &360.into()));
    for (name, told) in [
        ("digit", "error[unknown-source]: unknown source `digit`\n |\n = help: did you mean `digits`?"),
        ("image_folder", "error[missing-key]: `image_folder` needs arguments"),
        ("cifar10", "error[download]"),
    ] {
        let (code, _, stderr) = bench.call(&["data", "fetch", name]);
        assert!(code != 0 && stderr.starts_with(told), "{stderr}");
    }
}

#[test]
fn a_broken_image_is_named_by_verify() {
    let bench = Bench::new();
    for (split, class) in [("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")] {
        fs::create_dir_all(bench.path(&format!("{split}/{class}"))).unwrap();
        let grey = image_of(if class == "cat" { 10 } else { 200 });
        bench.write(&format!("{split}/{class}/one.bmp"), &grey);
        bench.write(&format!("{split}/{class}/two.bmp"), &grey);
    }
    bench.write("train/dog/broken.png", b"\x89PNG\r\n\x1a\nand no more");
    let source = "\n    image_folder: {train: train, test: test, image_size: 4}\n";
    bench.write("folder.yaml", SOUND.replace(" digits\n", source).replace("dense: 10", "dense: 2"));
    let (code, stdout, _) = bench.call(&["data", "verify", "folder.yaml"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("train/dog/broken.png") && stdout.ends_with("8 of 9 examples can be read\n"), "{stdout}");
    let (code, stdout, _) = bench.call(&["data", "inspect", "folder.yaml"]);
    assert!(code == 0 && stdout.contains("copies: 2 within train, 4 of test in train\n"), "{stdout}");
}

/// A BMP of 4x4 pixels of one grey.
fn image_of(grey: u8) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    for number in [54 + 48, 0, 54, 40, 4, 4, (24 << 16) | 1, 0, 48, 0, 0, 0, 0u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([grey; 48]);
    bytes
}

#[test]
fn summary_shows_what_passes_leave_to_compute() {
    let bench = Bench::new();
    bench.write(
        "net.yaml",
        "version: 1\ndataset:\n  source: digits\n  train:\n    - batch: 8\nmodel:\n  layers:\n    - rescaling: 1/16\n    \
         - normalization: {mean: [0.3], variance: [0.1]}\n    \
         - conv2d: {filters: 16, kernel_size: 3, padding: same, use_bias: false}\n    - batch_normalization\n    \
         - activation: relu\n    - max_pooling2d\n    - dropout: 0.5\n    \
         - residual: {layers: [{conv2d: {filters: 16, kernel_size: 3, padding: same}}]}\n    - flatten\n    - dense: 10\n\
         training: {loss: sparse_categorical_crossentropy, epochs: 1}\n",
    );
    let shown = |capability: &str| {
        let output =
            bench.command(&["summary", "--optimized", "net.yaml"]).env("ATEN_CPU_CAPABILITY", capability).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    // What a processor without wide vectors computes, so that it is the same everywhere.
    insta::assert_snapshot!(shown("default"));
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        assert!(shown("avx2").contains("kernel: scale, convolution, max-pooling, relu (AVX2)"), "{}", shown("avx2"));
    }
}
