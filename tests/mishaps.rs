//! What becomes of a run whose disk, memory or numbers give out: everything so far is kept, and what went wrong is named.

mod bench;

use bench::{
    Bench, WAITING,
    net::{NET, assert_same, info, one_more, only_run, reference, wait_for_checkpoint},
};
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a shell script in which `$T` is the program.
fn shell(bench: &Bench, script: &str) -> Output {
    Command::new("bash")
        .args(["-c", script])
        .env("T", assert_cmd::cargo::cargo_bin("trainyard"))
        .env("XDG_CACHE_HOME", bench.path("cache"))
        .env(WAITING.0, WAITING.1)
        .env_remove("TRAINYARD_DATA")
        .current_dir(bench.path(""))
        .output()
        .unwrap()
}

fn assert_said(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("made a mistake") && !said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in {said}");
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_the_run_goes_on_without_it() {
    let (_whole, whole) = reference(&[]);
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    // In KiB; the report is larger.
    let output = shell(&bench, "ulimit -f 30; exec $T run --quiet net.yaml");
    assert_said(&output, 1, &["error[io]: cannot write", "report.html: file too large", "it takes ", " bytes"]);
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 0, "{stderr}");
    assert_same(&only_run(&bench), &whole, "after the limit");
}

#[test]
fn a_directory_that_is_taken_away_is_told() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("epochs: 5", "epochs: 100000"));
    let mut command = bench.process(&["run", "--quiet", "net.yaml"]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_for_checkpoint(&bench, &mut child, 2);
    fs::rename(bench.path("runs"), bench.path("elsewhere")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_said(&output, 1, &["error[io]: cannot ", "runs/net/"]);
    // What was kept is as good as before.
    let arguments = ["--runs-dir", "elsewhere", "run", "--quiet", "--resume", "last", "--allow", "training.epochs"];
    let run = fs::read_dir(bench.path("elsewhere/net")).unwrap().next().unwrap().unwrap().path();
    let (code, _, stderr) = bench.call(&[&arguments[..], &["--set", &one_more(&run)]].concat());
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_directory_that_nobody_may_write_to_is_told() {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    fs::create_dir(bench.path("runs")).unwrap();
    let mode = |mode: &str, path: &Path| assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
    mode("755", &bench.path(""));
    mode("555", &bench.path("runs"));
    // The superuser may write anywhere, and has to become somebody else.
    let somebody = "if [ $(id -u) = 0 ]; then as='setpriv --reuid 65534 --regid 65534 --clear-groups'; fi; ";
    let output = shell(&bench, &format!("{somebody} $as test -x $T || exit 99; exec $as $T run --quiet net.yaml"));
    if output.status.code() == Some(99) {
        println!("nobody but the superuser can start the program here: a read-only directory wasn't tried");
        return;
    }
    assert_said(&output, 1, &["error[io]: cannot make the directory runs/net: permission denied"]);

    // Taken away while it runs.
    mode("777", &bench.path("runs"));
    let script = format!(
        "{somebody} $as $T run --quiet net.yaml --set training.epochs=100000 & \
         until ls -d runs/net/*/checkpoint/000002 >/dev/null 2>&1; do sleep 0.01; kill -0 $! || exit 98; done; \
         run=$(echo runs/net/*); chmod 555 $run $run/checkpoint; wait $!"
    );
    let output = shell(&bench, &script);
    assert_said(&output, 1, &["error[io]: cannot write", "permission denied"]);
    let run = only_run(&bench);
    assert!(run.join("checkpoint").read_dir().unwrap().count() >= 2);
    mode("755", &run);
    mode("755", &run.join("checkpoint"));
    let more = one_more(&run);
    let arguments = ["run", "--quiet", "--resume", "last", "--set", &more, "--allow", "training.epochs"];
    let (code, _, stderr) = bench.call(&arguments);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_loss_that_is_no_number_names_step_rate_and_layer() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("loss:", "optimizer: {adam: {learning_rate: 100}}\n  loss:"));
    // What follows overflows, for 3e38 is the largest number of 32 bits.
    bench.write(
        "wild.yaml",
        NET.replace("rescaling: {scale: 1/255}", "rescaling: {scale: 1e38}").replace("name: net", "name: wild"),
    );
    let (code, _, stderr) = bench.call(&["run", "--quiet", "wild.yaml"]);
    assert_eq!(code, 1, "{stderr}");
    for word in [
        "error[not-finite]: the loss became",
        "at step 1 (epoch 1)",
        "the first that isn't finite",
        "the learning rate was 0.001",
    ] {
        assert!(stderr.contains(word), "no `{word}` in {stderr}");
    }
    // That it diverges later, when there is something to lose.
    let (code, _, stderr) = bench.call(&["run", "--quiet", "net.yaml"]);
    if code == 0 {
        return;
    }
    assert!(code == 1 && stderr.contains("error[not-finite]"), "{stderr}");
    let run = only_run(&bench);
    assert_eq!(info(&run)["status"], "failed");
    assert!(run.join("model.safetensors").exists() && run.join("report.html").exists());
}

#[test]
fn memory_that_gives_out_is_told_before_anything_is_trained() {
    let bench = Bench::new();
    // What leaves the convolution takes a gigabyte: one step is more than the process may have.
    let wide = NET.replace("filters: 8", "filters: 4096").replace("{batch: 64}", "{batch: 900}");
    bench.write("net.yaml", wide);
    // Many processors would take of it for their threads.
    let few = "export RAYON_NUM_THREADS=2 MALLOC_ARENA_MAX=2; ";
    let output = shell(&bench, &format!("{few}ulimit -v 2500000; exec $T run --quiet net.yaml"));
    let said = text(&output.stderr);
    // Where even the program's own needs cannot be met, the process is ended from outside.
    if output.status.code().is_none() || said.contains("loading shared libraries") {
        return;
    }
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("memory") && said.contains("make `batch` smaller"), "{said}");
    assert_eq!(info(&only_run(&bench))["status"], "failed");
}
