//! Holds the code to what ARCHITECTURE.md says of it.

use std::{fs, path::Path};

fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Every file under src that holds one of `words` must lie under one of `places`.
fn only(words: &[&str], places: &[&str]) {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 40);
    for (name, text) in found {
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for word in words {
            let allowed = places.iter().any(|place| name.starts_with(place));
            assert!(allowed || !code.contains(word), "src/{name} holds `{word}`");
        }
    }
}

/// No file under `place` may hold one of `words`.
fn never(words: &[&str], place: &str) {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    for (name, text) in found.into_iter().filter(|(name, _)| name.starts_with(place)) {
        for word in words {
            assert!(!text.contains(word), "src/{name} holds `{word}`");
        }
    }
}

#[test]
fn only_the_command_line_and_progress_print() {
    only(&["println!", "print!(", "eprint"], &["cli/", "progress.rs", "main.rs"]);
}

#[test]
fn only_device_names_cuda_and_is_unsafe() {
    only(&["Cuda", "cuda::"], &["device/"]);
    only(&["unsafe "], &["device/", "kernel/"]);
}

#[test]
fn groups_of_processes_know_nothing_of_training() {
    let above =
        ["crate::spec", "crate::check", "crate::data", "crate::model", "crate::train", "crate::cli", "crate::run"];
    never(&above, "distributed/");
}

#[test]
fn kernels_know_slices_of_numbers_alone() {
    never(&["use tch", "Tensor", "crate::layer", "crate::model"], "kernel/");
}

#[test]
fn records_and_reports_know_no_tensors() {
    never(&["tch::", "crate::train", "crate::model", "crate::data"], "report/");
    never(&["tch::", "crate::train", "crate::model", "crate::data"], "run/");
    never(&["tch::", "Tensor"], "evaluation/");
    never(&["tch::", "crate::model", "crate::data"], "tensorboard/");
}

#[test]
fn gates_judge_records() {
    never(&["tch::", "Tensor", "crate::check", "crate::data", "crate::model", "crate::train", "crate::cli"], "gate/");
    for below in ["run/", "spec/", "report/", "evaluation/"] {
        never(&["crate::gate"], below);
    }
}

#[test]
fn checking_makes_no_tensor() {
    never(&["tch::", "Tensor", ".build("], "check/");
    never(&["tch::", "Tensor"], "spec/");
}

#[test]
fn families_know_nothing_of_what_stands_above_them() {
    for family in [
        "augment/",
        "layer/",
        "source/",
        "stage/",
        "optimizer/",
        "schedule/",
        "loss/",
        "metric/",
        "callback/",
        "evaluation/",
        "strategy/",
    ] {
        never(&["crate::spec", "crate::check", "crate::data", "crate::model", "crate::train", "crate::cli"], family);
    }
}
