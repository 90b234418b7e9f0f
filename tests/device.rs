//! Drives the real program on another device than the processors: `TRAINYARD_TEST_DEVICE=cuda` names it, and without it these tests
//! only say that they did nothing.

mod bench;

use bench::{
    Bench,
    net::{NET, SAME, assert_same, history, info, only_run, trained, wait_for_checkpoint},
};
use std::path::Path;

/// The device to test, as a flag.
fn device() -> Option<String> {
    let wanted = std::env::var("TRAINYARD_TEST_DEVICE").ok();
    if wanted.is_none() {
        eprintln!("skipped: TRAINYARD_TEST_DEVICE names no device");
    }
    wanted.map(|wanted| format!("device={wanted}"))
}

/// Without what a device draws by itself, so that it can be compared with the processors.
fn without_noise() -> String {
    NET.replace("    - dropout: 0.2\n", "")
}

/// The figures of the epochs: a row each.
fn figures(run: &Path) -> Vec<Vec<f64>> {
    let rows = history(run);
    rows[1..].iter().map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect()).collect()
}

fn accuracy(run: &Path) -> f64 {
    let text = std::fs::read(run.join("evaluation.json")).unwrap();
    let evaluation: serde_json::Value = serde_json::from_slice(&text).unwrap();
    evaluation["metrics"]["test_accuracy"].as_f64().unwrap()
}

#[test]
fn a_device_trains_as_the_processors_do() {
    let Some(device) = device() else { return };
    let (_one, there) = trained(&without_noise(), &[&device]);
    let (_other, here) = trained(&without_noise(), &["device=cpu"]);
    let (there_figures, here_figures) = (figures(&there), figures(&here));
    assert_eq!(there_figures.len(), here_figures.len());
    // Roundings grow with the steps: the first epoch shows that it is the same computation.
    for (one, other) in there_figures[0].iter().zip(&here_figures[0]) {
        assert!((one - other).abs() <= 0.01 * other.abs().max(0.1), "{there_figures:?}\n{here_figures:?}");
    }
    assert!((accuracy(&there) - accuracy(&here)).abs() < 0.03, "{} and {}", accuracy(&there), accuracy(&here));
    let provenance = &info(&there)["provenance"];
    assert!(!provenance["device"].as_str().unwrap().starts_with("cpu"), "{provenance}");
    let taken = &info(&there)["device_use"];
    if !taken.is_null() {
        assert!(
            taken["most_used"].as_u64() > Some(0) && taken["memory"].as_u64() > taken["most_reserved"].as_u64(),
            "{taken}"
        );
    }
}

#[test]
fn the_same_run_twice_gives_the_same_bytes_on_a_device() {
    let Some(device) = device() else { return };
    let (_one, first) = trained(NET, &[&device]);
    let (_other, second) = trained(NET, &[&device]);
    assert_same(&second, &first, "a second time");
    assert!(info(&first)["provenance"]["nondeterministic"].is_null());
}

#[test]
fn examples_that_lie_on_the_device_change_nothing() {
    let Some(device) = device() else { return };
    // Without augmentation, batches are choices among what lies there; with one that does nothing, they are sent.
    let plain = NET.replace("augment: [random_flip: horizontal], ", "");
    let sent = NET.replace("random_flip: horizontal", "random_translation: {height_factor: 0, width_factor: 0}");
    assert!(plain != NET && sent != NET);
    let (_one, resident) = trained(&plain, &[&device]);
    let (_other, sent) = trained(&sent, &[&device]);
    for name in SAME {
        assert!(
            std::fs::read(resident.join(name)).unwrap() == std::fs::read(sent.join(name)).unwrap(),
            "{name} differs"
        );
    }
    let lies_there = |run: &Path| info(run)["device_use"]["resident_data"].as_u64().unwrap_or(0);
    assert!(lies_there(&resident) > lies_there(&sent), "{}", info(&resident)["device_use"]);
}

#[test]
fn a_run_on_a_device_goes_on_as_if_nothing_had_happened() {
    let Some(device) = device() else { return };
    let (_whole, whole) = trained(NET, &[&device]);
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let mut child = bench.process(&["run", "--quiet", "net.yaml", "--set", &device]).spawn().unwrap();
    wait_for_checkpoint(&bench, &mut child, 1);
    let _ = child.kill();
    child.wait().unwrap();
    let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "last"]);
    assert_eq!(code, 0, "{stderr}");
    assert_same(&only_run(&bench), &whole, "killed");
}

/// What lets `NET` learn.
const LEARNS: [&str; 2] = ["training.epochs=15", "model.layers[2].batch_normalization.momentum=0.9"];

#[test]
fn every_precision_learns_on_a_device() {
    let Some(device) = device() else { return };
    let [epochs, momentum] = LEARNS;
    for precision in ["tensor_float32", "mixed_bfloat16", "mixed_float16"] {
        let precision = format!("precision={precision}");
        let (_bench, run) = trained(NET, &[&device, &precision, epochs, momentum]);
        assert!(accuracy(&run) > 0.8, "{precision}: {}", accuracy(&run));
    }
}

#[test]
fn without_determinism_a_device_learns_too_and_the_record_says_so() {
    let Some(device) = device() else { return };
    let [epochs, momentum] = LEARNS;
    let (_bench, run) = trained(NET, &[&device, "deterministic=false", epochs, momentum]);
    assert!(accuracy(&run) > 0.8, "{}", accuracy(&run));
    assert!(!info(&run)["provenance"]["nondeterministic"].is_null());
}

#[test]
fn optimizers_and_what_stands_around_them_work_on_a_device() {
    let Some(device) = device() else { return };
    let optimizers = [
        "{adamw: {global_clipnorm: 1.0, use_ema: true, lookahead: {sync_period: 3}}}",
        "{sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true, clipvalue: 0.5}}",
        "{rmsprop: {momentum: 0.9, centered: true, clipnorm: 1.0}}",
        "{muon: {exclude_layers: [dense], gradient_accumulation_steps: 2}}",
        "adagrad",
        "{lion: {learning_rate: 0.0003}}",
    ];
    for optimizer in optimizers {
        let optimizer = format!("training.optimizer={optimizer}");
        let watch = "training.watch=[gradient_norm, dead_activations]";
        let metrics = "training.metrics=[accuracy, auc, {top_k_categorical_accuracy: 3}]";
        let sets = [&device, &optimizer, watch, metrics, "training.epochs=2"];
        let (_bench, run) = trained(NET, &sets);
        let rows = figures(&run);
        assert!(rows.iter().flatten().all(|figure| figure.is_finite()), "{optimizer}: {rows:?}");
    }
}

#[test]
fn a_batch_that_is_too_large_is_told_on_its_line() {
    let Some(device) = device() else { return };
    let bench = Bench::new();
    let text = "\
version: 1
name: net
dataset:
  source: {synthetic: {train: 200000, test: 64}}
  train: [{batch: 64}]
  evaluate: [{batch: 8}]
model:
  layers:
    - rescaling: {scale: 1/255}
    - conv2d: {filters: 512, kernel_size: 3, padding: same, activation: relu}
    - global_average_pooling2d
    - dense: 8
training: {loss: sparse_categorical_crossentropy, epochs: 1}
";
    bench.write("net.yaml", text);
    let (code, planned, stderr) = bench.call(&["plan", "--json", "net.yaml", "--set", &device]);
    assert_eq!(code, 0, "{stderr}");
    let planned: serde_json::Value = serde_json::from_str(&planned).unwrap();
    let number = |name: &str| planned[name].as_f64().unwrap();
    // More than there is, and not so much more that the check knows it already.
    let batch = (1.7 * 64.0 * number("machine_memory") / number("memory_total")) as u64;
    let batch = format!("dataset.train[0].batch.batch_size={batch}");
    let (code, _, stderr) = bench.call(&["run", "--quiet", "net.yaml", "--set", &device, "--set", &batch]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("error[memory]") && stderr.contains("net.yaml:5:") && stderr.contains("smaller"),
        "{stderr}"
    );
    assert!(!stderr.contains("PYTORCH") && !stderr.contains("panicked"), "{stderr}");
}

/// Whether NVIDIA's GPUs are tested.
fn is_cuda(device: &str) -> bool {
    device.starts_with("device=cuda")
}

fn told(run: &Path) -> serde_json::Value {
    info(run)["provenance"]["nccl"].clone()
}

#[test]
fn what_nccl_carries_for_one_process_is_what_that_computes() {
    let Some(device) = device().filter(|device| is_cuda(device)) else { return };
    let (_one, linked) = trained(NET, &[&device, "strategy={data_parallel: {processes: 1, backend: nccl}}"]);
    let (_other, alone) = trained(NET, &[&device]);
    assert_same(&linked, &alone, "over NCCL");
    assert!(told(&linked).as_str().unwrap().starts_with("2.") && told(&alone).is_null());
}

/// Trains with two processes of such a strategy, and holds it to what one computes; gives the version of NCCL that they had.
fn two_as_one(device: &str, strategy: &str) -> serde_json::Value {
    let net = without_noise().replace("- batch_normalization\n", "- batch_normalization: {synchronized: true}\n");
    assert!(net.contains("synchronized"));
    let (_several, together) = trained(&net, &[device, strategy]);
    let (_one, alone) = trained(&net, &[device]);
    let (these, those) = (figures(&together), figures(&alone));
    assert_eq!(these.len(), those.len());
    for (one, other) in these[0].iter().zip(&those[0]) {
        assert!((one - other).abs() <= 0.01 * other.abs().max(0.1), "{these:?}\n{those:?}");
    }
    assert_eq!(info(&together)["provenance"]["processes"], 2);
    told(&together)
}

#[test]
fn two_processes_share_a_gpu_over_gloo() {
    let Some(device) = device().filter(|device| is_cuda(device)) else { return };
    assert!(two_as_one(&device, "strategy={data_parallel: {processes: 2, backend: gloo}}").is_null());
}

#[test]
fn two_processes_with_a_gpu_each_take_nccl_by_themselves() {
    let gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, Iterator::count);
    let Some(device) = device().filter(|device| is_cuda(device)) else { return };
    if gpus < 2 {
        eprintln!("skipped: there are {gpus} GPUs");
        return;
    }
    assert!(two_as_one(&device, "strategy={data_parallel: 2}").as_str().unwrap().starts_with("2."));
}

#[test]
fn nccl_refuses_two_processes_on_one_gpu_before_they_train() {
    let Some(device) = device().filter(|device| is_cuda(device)) else { return };
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let strategy = "strategy={data_parallel: {processes: 2, backend: nccl}}";
    let mut command = bench.command(&["run", "--quiet", "net.yaml", "--set", &device, "--set", strategy]);
    let output = command.env("CUDA_VISIBLE_DEVICES", "0").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error[backend]: ranks 0 and 1 compute on the same GPU"), "{stderr}");
    assert!(stderr.contains("backend: gloo") && !only_run(&bench).join("history.csv").exists(), "{stderr}");
}
