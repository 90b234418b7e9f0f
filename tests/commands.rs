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
