//! Drives the commands around a run: what they print, where, and how they end.

use assert_cmd::Command;
use std::{fs, path::PathBuf};

const SOUND: &str = "\
version: 1
dataset:
  source: digits
  train: [{batch: 32}]
model:
  layers: [{rescaling: 1/255}, flatten, {dense: 10}]
training: {loss: sparse_categorical_crossentropy, epochs: 2}
";

/// An empty directory to work in.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Exit code, stdout, stderr.
    fn call(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("trainyard").unwrap();
        command.current_dir(self.directory.path()).env_remove("TRAINYARD_DATA").args(arguments);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}

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
dataset: {train: [{batch: {batch_size: 32}}], source: {digits: {}}}
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
