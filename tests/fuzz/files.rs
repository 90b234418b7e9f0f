//! Whatever the bytes of a file that the program reads besides pipelines: it says what is wrong with it, soon and with little
//! memory, and never panics.
//!
//! Inputs are random mutations of sound files and of those in `tests/fuzz/corpus/TARGET/`, which found something once. A
//! target is a line of [`targets`]: a test's name, the file, and what is done with it. What fails is written to
//! `tests/fuzz/corpus-new/`.

use super::{
    Flaw, MOST_MEMORY, MOST_TIME, bytes, caught, end_where_it_hangs, flaw, keep_panics, now, number, watch::measure,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use trainyard::{
    check::{Options, check},
    device,
    lockfile::{Lock, Tier, verdict},
    model::{Model, load_weights, weights_bytes},
    random::Purpose,
    report::{
        self,
        comparison::{self, Compared, Comparison, Form},
        guarded,
    },
    run::{Figures, RunDirectory, checkpoint::position, pruning::Pruning, store},
    source::{Source, Surroundings},
};

/// A file to damage, and what to do with it.
struct Target {
    /// Lives as long as the target.
    _home: tempfile::TempDir,
    /// Where the damaged file is put.
    file: PathBuf,
    /// Sound contents.
    seeds: Vec<Vec<u8>>,
    /// Reads it, and does with it whatever the program does.
    read: Box<dyn Fn()>,
}

macro_rules! targets {
    ($($name:ident => $target:expr,)+) => {
        $(#[test] fn $name() { fuzz(stringify!($name), $target); })+
    };
}

targets! {
    a_record_of_a_run => of_a_run("run.json"),
    figures_of_a_run => of_a_run("evaluation.json"),
    curves_of_a_run => of_a_run("history.csv"),
    a_look_at_data => of_a_run("data.json"),
    predictions_of_a_run => of_a_run("predictions.parquet"),
    a_lock => of_a_lock(),
    a_manifest_of_a_checkpoint => of_a_checkpoint("manifest.json"),
    a_position_of_a_checkpoint => of_a_checkpoint("position.json"),
    weights => weights_of_a_model(),
    images_of_mnist => mnist("train-images-idx3-ubyte"),
    labels_of_mnist => mnist("train-labels-idx1-ubyte"),
    packed_images_of_mnist => mnist("train-images-idx3-ubyte.gz"),
    records_of_cifar => cifar("data_batch_1.bin"),
    names_of_cifar => cifar("batches.meta.txt"),
}

/// A network with something of everything, and all steps of the evaluation but the slow ones.
const PIPELINE: &str = "version: 1
name: p
threads: 1
dataset: {source: digits, validation: {split: 0.1}, train: [cache, shuffle, {batch: 256}]}
model:
  layers: [{rescaling: 1/255}, {conv2d: {filters: 2, kernel_size: 3}}, flatten, {dense: 10}]
training: {loss: sparse_categorical_crossentropy, epochs: 2}
expect: {test_accuracy: {min: 0.01}}
evaluation:
  - metrics: {resamples: 100}
  - classification_report
  - confusion_matrix
  - worst_mistakes: {count: 2}
  - calibration
  - roc
  - precision_recall
  - threshold_table
  - learning_curves
  - feature_maps
  - saliency
";

/// A file of a run, beside a sound run of the same pipeline.
/// A run of the pipeline, by the program itself, and what `more` makes of it.
fn run_of_pipeline(home: &Path, more: &[&str]) -> PathBuf {
    let path = |name: &str| home.join(name);
    fs::write(path("p.yaml"), PIPELINE).unwrap();
    for arguments in [&["run", "p.yaml", "--quiet"][..], more].into_iter().filter(|arguments| !arguments.is_empty()) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainyard"));
        command.current_dir(home).env("XDG_CACHE_HOME", path("cache")).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    fs::read_dir(path("runs/p")).unwrap().next().unwrap().unwrap().path()
}

fn of_a_lock() -> Target {
    let home = tempfile::tempdir().unwrap();
    run_of_pipeline(home.path(), &["lock", "p", "--quiet"]);
    let file = home.path().join("p.lock");
    let seeds = vec![fs::read(&file).unwrap()];
    let pipeline = check(&home.path().join("p.yaml"), &Options::default()).pipeline.unwrap().pipeline;
    let read = {
        let file = file.clone();
        move || {
            if let Ok(lock) = Lock::read(&file) {
                lock.drift(&pipeline);
                lock.drift_of_data(&lock.data);
                lock.surroundings.differing(&lock.surroundings);
                verdict(&lock, Tier::Tolerance, None, &lock.steps, &[], &Figures::default());
            }
        }
    };
    Target { _home: home, file, seeds, read: Box::new(read) }
}

fn of_a_checkpoint(name: &str) -> Target {
    let home = tempfile::tempdir().unwrap();
    let run = run_of_pipeline(home.path(), &[]);
    let kept = fs::read_dir(run.join("checkpoint")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let file = kept.join(name);
    let sound = fs::read(&file).unwrap();
    let read = {
        let file = file.clone();
        move || {
            let found = RunDirectory::open(&run).unwrap().read_checkpoint();
            found.files.as_ref().and_then(position);
            // What its digest would refuse is read all the same.
            position(&[("position.json".to_owned(), fs::read(&file).unwrap())].into());
        }
    };
    Target { _home: home, file, seeds: vec![sound], read: Box::new(read) }
}

fn of_a_run(name: &str) -> Target {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let run = run_of_pipeline(home.path(), &[]);
    let sound = path("runs/p/sound");
    fs::create_dir(&sound).unwrap();
    for entry in fs::read_dir(&run).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), sound.join(entry.file_name())).unwrap();
    }
    let root = path("runs");
    let (file, seeds) = (run.join(name), vec![fs::read(run.join(name)).unwrap()]);
    let read = move || {
        let open = |path: &Path| RunDirectory::open(path).unwrap();
        if let Ok(record) = open(&run).read() {
            let _ = report::render(&record);
            let _ = report::markdown(&record);
            report::results(&record);
        }
        let compared = [&run, &sound].map(|path| Compared::read(&open(path)));
        if let [Ok(damaged), Ok(sound)] = compared {
            let _ = guarded(|| {
                let comparison = Comparison::new(&[damaged, sound]);
                comparison::text(&comparison, Form::Terminal, 10);
                comparison::text(&comparison, Form::Markdown, 10);
                comparison::page(&comparison, 10)
            });
        }
        let listed = store::runs_in(&root).unwrap();
        let _ = report::index::render(&root, &listed);
        let pruning = Pruning { keep: Some(1), by: Some("test_accuracy".to_owned()), ..Pruning::default() };
        pruning.choose(&listed);
        store::unknown_figure("test_accuraci", &listed);
    };
    Target { _home: home, file, seeds, read: Box::new(read) }
}

fn weights_of_a_model() -> Target {
    let home = tempfile::tempdir().unwrap();
    let pipeline = home.path().join("p.yaml");
    fs::write(&pipeline, PIPELINE).unwrap();
    let checked = check(&pipeline, &Options::default());
    let layers = &checked.pipeline.unwrap().pipeline.model.layers;
    let model = Model::new(layers, &checked.plan.unwrap(), 1, device::open("cpu").unwrap()).unwrap();
    let seeds = vec![weights_bytes(&model).unwrap()];
    let file = home.path().join("model.safetensors");
    let read = {
        let file = file.clone();
        move || {
            let _ = load_weights(&model, &file);
        }
    };
    Target { _home: home, file, seeds, read: Box::new(read) }
}

/// A file of a data set whose other files are sound.
fn of_a_source(source: &str, folder: &str, name: &str, files: &[(&str, Vec<u8>)]) -> Target {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(folder);
    fs::create_dir(&place).unwrap();
    for (name, content) in files {
        fs::write(place.join(name), content).unwrap();
    }
    let seeds = vec![fs::read(place.join(name)).unwrap()];
    let source: Source = serde_json::from_value(json!({ source: {} })).unwrap();
    let (data, cache) = (home.path().to_owned(), home.path().join("cache"));
    let read = move || {
        let around = Surroundings {
            data_directory: Some(data.clone()),
            cache_directory: cache.clone(),
            progress: &|_| (),
            stop: &AtomicBool::new(false),
        };
        let (looked, opened) = (source.look(&around), source.open(&around));
        if let (Ok(looked), Ok(opened)) = (looked, opened) {
            assert_eq!((looked.train, looked.test), (Some(opened.train.len()), Some(opened.test.len())));
            assert!(opened.train.labels().classes().iter().all(|label| (*label as usize) < opened.classes.len()));
        }
    };
    Target { _home: home, file: place.join(name), seeds, read: Box::new(read) }
}

fn mnist(name: &str) -> Target {
    let images = |count: u32| {
        let header = [0x803, count, 28, 28].map(u32::to_be_bytes).concat();
        [header, vec![7; 784 * count as usize]].concat()
    };
    let labels = |count: u32| [[0x801, count].map(u32::to_be_bytes).concat(), vec![3; count as usize]].concat();
    let packed = |bytes: Vec<u8>| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&bytes).unwrap();
        packer.finish().unwrap()
    };
    let mut files = vec![
        ("train-images-idx3-ubyte", images(3)),
        ("train-labels-idx1-ubyte", labels(3)),
        ("t10k-images-idx3-ubyte", images(2)),
        ("t10k-labels-idx1-ubyte", labels(2)),
    ];
    if let Some(plain) = name.strip_suffix(".gz") {
        let (_, content) = files.remove(files.iter().position(|(name, _)| *name == plain).unwrap());
        files.push((name, packed(content)));
    }
    of_a_source("mnist", "mnist", name, &files)
}

fn cifar(name: &str) -> Target {
    let names = "airplane automobile bird cat deer dog frog horse ship truck".replace(' ', "\n");
    let record = |label: u8| [&[label][..], &[label; 3072]].concat();
    let batch = || [record(1), record(9)].concat();
    let mut files = vec![("batches.meta.txt", names.into_bytes()), ("test_batch.bin", batch())];
    let train = ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
    files.extend(train.map(|name| (name, batch())));
    of_a_source("cifar10", "cifar-10-batches-bin", name, &files)
}

/// Reads the target's file with that content; gives what is wrong with that.
fn run(target: &Target, content: &[u8]) -> Result<(), Flaw> {
    fs::write(&target.file, content).unwrap();
    let (result, memory, time) = measure(|| caught(&target.read));
    result?;
    match () {
        () if time > MOST_TIME => Err(flaw("time", format!("took {time:?}"))),
        () if memory > MOST_MEMORY => Err(flaw("memory", format!("held {memory} bytes"))),
        () => Ok(()),
    }
}

fn fuzz(name: &str, target: Target) {
    let seconds = number("TRAINYARD_FUZZ_SECONDS");
    let seed = number("TRAINYARD_FUZZ_SEED").unwrap_or(if seconds.is_some() { now() } else { 0 });
    println!("seed {seed}");
    keep_panics();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut flaws = BTreeMap::new();
    let mut known = target.seeds.clone();
    for entry in fs::read_dir(repository.join("tests/fuzz/corpus").join(name)).into_iter().flatten() {
        known.push(fs::read(entry.unwrap().path()).unwrap());
    }
    for content in &known {
        if let Err(flaw) = run(&target, content) {
            flaws.insert(flaw.name, flaw.story);
        }
    }
    let begun = end_where_it_hangs(&target.file);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let mut count = 0;
    while Instant::now() < end {
        let content = bytes::mutant(&known, &mut Purpose::new(seed, name).stream(count, 0));
        count += 1;
        begun.store(now(), Ordering::Relaxed);
        let Err(flaw) = run(&target, &content) else { continue };
        flaws.entry(flaw.name).or_insert_with(|| {
            let directory = repository.join("tests/fuzz/corpus-new").join(name);
            fs::create_dir_all(&directory).unwrap();
            let kept = directory.join(format!("{seed}-{count}"));
            fs::write(&kept, &content).unwrap();
            format!("{}: {}", kept.display(), flaw.story)
        });
    }
    begun.store(u64::MAX, Ordering::Relaxed);
    let _ = std::panic::take_hook();
    println!("{count} inputs");
    let stories: Vec<String> = flaws.iter().map(|(name, story)| format!("==== {name}\n{story}")).collect();
    assert!(stories.is_empty(), "{} flaws:\n{}", stories.len(), stories.join("\n"));
}
