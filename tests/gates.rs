//! Drives expectations on the real program: exit codes, baselines, and what CI is told.

mod bench;

use bench::{Bench, SMALL};
use serde_json::{Value as Json, json};
use std::{fs, path::PathBuf};

impl Bench {
    /// Runs the small pipeline with these expectations.
    fn expect(&self, expect: &str, arguments: &[&str]) -> (i32, String, String) {
        self.write("small.yaml", format!("{SMALL}expect:\n{expect}"));
        self.call(&[&["run", "small.yaml", "--quiet"], arguments].concat())
    }

    /// `run.json` of the latest run.
    fn latest(&self) -> Json {
        let run = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().path().join("run.json");
        let runs: Vec<PathBuf> = fs::read_dir(self.path("runs/small")).unwrap().map(run).collect();
        let made = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
        let latest = runs.into_iter().max_by_key(made).unwrap();
        serde_json::from_slice(&fs::read(latest).unwrap()).unwrap()
    }

    /// Writes the lock of the latest run, but with other figures.
    fn lock(&self, metrics: Json) {
        let (code, _, stderr) = self.call(&["lock", "small", "--output", "small.lock"]);
        assert_eq!(code, 0, "{stderr}");
        let mut lock: Json = serde_json::from_slice(&fs::read(self.path("small.lock")).unwrap()).unwrap();
        lock["metrics"] = metrics;
        self.write("small.lock", lock.to_string());
    }
}

#[test]
fn each_outcome_has_its_line_and_its_exit_code() {
    let bench = Bench::new();
    let (code, stdout, stderr) = bench.expect("  test_accuracy: {min: 0.05}\n  test_loss: {max: 100}\n", &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("expected test_accuracy at least 0.05: met (0."), "{stdout}");
    assert!(stdout.contains("; 95% interval 0."), "{stdout}");
    assert!(stdout.contains("expected test_loss at most 100: met ("), "{stdout}");

    let (code, stdout, _) = bench.expect("  test_accuracy: {min: 0.9999}\n", &[]);
    assert_eq!(code, 3);
    assert!(stdout.contains("expected test_accuracy at least 0.9999: NOT MET (0."), "{stdout}");
    let accuracy = bench.latest()["expectations"][0]["value"].as_f64().unwrap();

    // The interval of some hundred examples lies on both sides of what they came to.
    let straddled =
        |inconclusive: &str| format!("  test_accuracy: {{min: {accuracy}, inconclusive: {inconclusive}}}\n");
    for (inconclusive, want, said) in [
        ("value", 0, ": met ("),
        ("pass", 0, ": inconclusive, counts as passed ("),
        ("fail", 3, ": INCONCLUSIVE, counts as failed ("),
    ] {
        let (code, stdout, _) = bench.expect(&straddled(inconclusive), &[]);
        assert_eq!(code, want, "{inconclusive}: {stdout}");
        assert!(stdout.contains(said), "{inconclusive}: {stdout}");
    }
    let result = &bench.latest()["expectations"][0];
    assert_eq!((&result["outcome"], &result["met"]), (&"inconclusive".into(), &Json::Bool(false)));

    // The list of runs marks what missed.
    let (_, listed, _) = bench.call(&["runs", "list"]);
    assert_eq!(listed.matches("completed, expectations missed").count(), 2, "{listed}");
    let (_, listed, _) = bench.call(&["runs", "list", "--json"]);
    let rows: Json = serde_json::from_str(&listed).unwrap();
    assert_eq!(rows[0]["missed"], json!(["test_accuracy"]));
    assert_eq!(rows.as_array().unwrap().iter().filter(|row| row["missed"] == json!([])).count(), 3);
    let (_, shown, _) = bench.call(&["runs", "show", "small"]);
    assert!(shown.contains("inconclusive, counts as failed"), "{shown}");
}

#[test]
fn a_figure_is_measured_against_a_lock() {
    let bench = Bench::new();
    let against_lock = "  test_accuracy: {max_drop: 0.01}\n";
    let (code, stdout, stderr) = bench.expect(against_lock, &[]);
    assert_eq!((code, stdout.as_str()), (2, ""), "nothing is trained");
    assert!(stderr.contains("error[no-baseline]: there is no small.lock to measure against"), "{stderr}");
    assert!(stderr.contains("small.yaml:12:19"), "{stderr}");
    assert!(!bench.path("runs/small").exists());
    let (code, _, stderr) = bench.call(&["check", "--deep", "small.yaml"]);
    assert!(code == 2 && stderr.contains("no-baseline"), "{stderr}");
    assert_eq!(bench.call(&["check", "small.yaml"]).0, 0, "only the surroundings have it");

    let (code, stdout, _) = bench.expect("  test_accuracy: {max_drop: 0.01, inconclusive: pass}\n", &[]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("at most 0.01 below what isn't there yet: inconclusive, counts as passed"), "{stdout}");

    bench.lock(json!({ "test_accuracy": 0.05 }));
    let (code, stdout, _) = bench.expect(against_lock, &[]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("at most 0.01 below 0.0500 (small.lock): met"), "{stdout}");
    bench.lock(json!({ "test_accuracy": 0.9999 }));
    let (code, stdout, _) = bench.expect(against_lock, &[]);
    assert_eq!(code, 3, "{stdout}");
    let baseline = json!({ "name": "small.lock", "value": 0.9999 });
    assert_eq!(bench.latest()["expectations"][0]["baseline"], baseline);
    let (code, ..) = bench.expect("  test_accuracy: {max_drop: 0.01, tolerance: 0.9}\n", &[]);
    assert_eq!(code, 0);

    // An evaluation that is repeated judges by what the run was measured against.
    fs::remove_file(bench.path("small.lock")).unwrap();
    assert_eq!(bench.call(&["evaluate", "small"]).0, 0);
    assert_eq!(bench.latest()["expectations"][0]["baseline"], baseline);

    bench.lock(json!({ "test_acuracy": 0.9 }));
    let (code, _, stderr) = bench.expect(against_lock, &[]);
    assert!(code == 2 && stderr.contains("small.lock has no figure `test_accuracy`"), "{stderr}");
    assert!(stderr.contains("it has `test_acuracy`"), "{stderr}");
    bench.write("small.lock", "{");
    let (code, _, stderr) = bench.expect(against_lock, &[]);
    assert!(code == 2 && stderr.contains("small.lock:1:1: it is no sound lock"), "{stderr}");
}

#[test]
fn a_figure_is_measured_against_a_run() {
    let bench = Bench::new();
    let previous = "  test_loss: {max_drop: 0.001, against: previous}\n";
    let (code, _, stderr) = bench.expect(previous, &[]);
    assert!(code == 2 && stderr.contains("no run of `small` in runs has come to its end"), "{stderr}");
    let named = "  test_accuracy: {max_drop: 0, against: smal}\n";
    assert_eq!(bench.expect("  test_accuracy: {min: 0}\n", &[]).0, 0);
    let id = bench.latest()["id"].as_str().unwrap().to_owned();
    let (code, _, stderr) = bench.expect(named, &[]);
    assert!(code == 2 && stderr.contains("did you mean `small`"), "{stderr}");

    let (code, stdout, _) = bench.expect(previous, &[]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("expected test_loss at most 0.001 above ") && stdout.contains(&id), "{stdout}");
    let (code, stdout, _) = bench.expect(previous, &["--set", "training.epochs=1"]);
    assert_eq!(code, 3, "{stdout}");
    let first = format!("  test_accuracy: {{max_drop: 0, against: small/{id}}}\n");
    assert_eq!(bench.expect(&first, &[]).0, 0);
    let (code, _, stderr) = bench.expect(&first.replace("test_accuracy", "test_recall[3]"), &[]);
    assert_eq!(code, 0, "{stderr}");
    let top_k = first.replace("test_accuracy", "test_top_3_accuracy");
    let (code, _, stderr) = bench.expect(&top_k, &["--set", "evaluation=[{top_k: {k: [3]}}]"]);
    assert!(code == 2 && stderr.contains("has no figure `test_top_3_accuracy`"), "{stderr}");
}

#[test]
fn ci_is_told_in_its_own_words() {
    let bench = Bench::new();
    let summary = bench.write("summary.md", "before\n");
    let expect = "  test_accuracy: {min: 0.9999}\n  test_loss: {max: 100}\n";
    bench.write("small.yaml", format!("{SMALL}expect:\n{expect}"));
    let arguments = ["run", "small.yaml", "--quiet", "--junit", "out.xml", "--summary", "out.md"];
    let output = bench.command(&arguments).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(fs::read_to_string(&summary).unwrap(), "before\n", "nobody asked for it");
    let junit = fs::read_to_string(bench.path("out.xml")).unwrap();
    assert!(
        junit.contains("<testsuite name=\"small\" tests=\"3\" skipped=\"0\" errors=\"0\" failures=\"1\""),
        "{junit}"
    );
    assert!(junit.contains("<failure message=\"test_accuracy at least 0.9999: failed (0."), "{junit}");
    assert!(junit.contains("file=\"small.yaml\" line=\"12\""), "{junit}");
    let table = fs::read_to_string(bench.path("out.md")).unwrap();
    assert!(table.starts_with("**✗ Failed**: 1 failed, 2 passed\n"), "{table}");

    for json in [false, true] {
        let mut arguments = vec!["run", "small.yaml", "--quiet", "--format", "github"];
        arguments.extend(json.then_some("--json"));
        let output = bench.command(&arguments).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let annotated = if json { &stderr } else { &stdout };
        let start =
            "::error file=small.yaml,line=12,col=3,title=small%3A test_accuracy::test_accuracy at least 0.9999: ";
        assert!(annotated.lines().any(|line| line.starts_with(start)), "{annotated}");
        assert_eq!(annotated.matches("::error ").count(), 1);
        assert!(!json || serde_json::from_str::<Json>(&stdout).is_ok(), "{stdout}");
    }
    let told = fs::read_to_string(&summary).unwrap();
    assert!(told.starts_with("before\n**✗ Failed**"), "{told}");
    assert_eq!(told.matches("| ✗ **failed** | small | test\\_accuracy |").count(), 2, "{told}");
}

#[test]
fn what_fails_while_it_trains_is_told_too() {
    let bench = Bench::new();
    let pipeline = format!("{SMALL}expect: {{test_accuracy: {{min: 0.1}}}}\n").replace("1/255", "{scale: 1e38}");
    bench.write("small.yaml", pipeline);
    let arguments = ["run", "small.yaml", "--quiet", "--junit", "out.xml", "--summary", "no/such/out.md"];
    let (code, _, stderr) = bench.call(&arguments);
    assert_eq!(code, 1, "{stderr}");
    let junit = fs::read_to_string(bench.path("out.xml")).unwrap();
    assert!(junit.contains("<error message=\"trains: error (failed after "), "{junit}");
    assert!(junit.contains("<skipped message=\"test_accuracy: skipped (the run wasn&apos;t evaluated)\""), "{junit}");
    assert!(stderr.trim_end().ends_with("cannot write no/such/out.md: no such file or directory"), "{stderr}");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_told_last() {
    let bench = Bench::new();
    let (code, stdout, stderr) =
        bench.expect("  test_accuracy: {min: 0.1}\n", &["--junit", "no/such/out.xml", "--summary", "out.md"]);
    assert_eq!(code, 1);
    assert!(stdout.contains(": met (") && stderr.contains("cannot write no/such/out.xml"), "{stderr}");
    assert!(bench.path("out.md").is_file(), "all others are written");
    assert_eq!(bench.latest()["status"], "completed");
}

#[test]
fn the_language_explains_its_gates() {
    let bench = Bench::new();
    let (code, stdout, _) = bench.call(&["explain", "expect"]);
    assert_eq!(code, 0);
    for word in ["NAME.max_drop", "NAME.against", "tolerance", "inconclusive", "exit code 3"] {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
    let (code, stdout, _) = bench.call(&["explain", "expect.test_accuracy.against"]);
    assert!(code == 0 && stdout.starts_with("expect.NAME.against\n"), "{stdout}");
    let (code, stdout, _) = bench.call(&["explain", "no-baseline"]);
    assert!(code == 0 && stdout.contains("there is no example.lock to measure against"), "{stdout}");
}
