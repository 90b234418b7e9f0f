//! What nobody means well with: files of runs that were edited, weights that aren't, data that never end, awkward names and
//! surroundings. Whatever it is, the program says so or works, soon and with bounded memory, and touches nothing outside of
//! the run's directory. `tests/fuzz/` has what chance finds.

mod bench;

use bench::{Bench, SMALL};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::symlink,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The small pipeline, with evaluation steps and an expectation.
fn small() -> String {
    let more = "evaluation: [confusion_matrix, classification_report, roc, learning_curves]
expect: {val_accuracy: {min: 0.001}}
";
    SMALL.replace("batch: 64", "batch: 256") + more
}

/// An image of one pixel.
const PIXEL: &[u8] = include_bytes!("images/good/one_pixel.png");

/// Bytes of address space; libtorch alone takes some.
const MEMORY: u64 = 12 << 30;

impl Bench {
    /// Calls the program with little memory and time; gives the exit code and all that it says.
    fn survive<A: AsRef<OsStr>>(&self, arguments: &[A], environment: &[(&str, &str)]) -> (i32, String) {
        let program = self.command(&[]).get_program().to_owned();
        let mut command = if cfg!(target_os = "linux") && Command::new("prlimit").arg("--version").output().is_ok() {
            let mut limited = assert_cmd::Command::new("prlimit");
            limited.arg(format!("--as={MEMORY}")).arg(program);
            limited
        } else {
            assert_cmd::Command::new(program)
        };
        command.current_dir(self.path("")).timeout(Duration::from_secs(60));
        command.env_remove("TRAINYARD_DATA").env("TRAINYARD_MIRROR", "http://127.0.0.1:1");
        command.env("XDG_CACHE_HOME", self.path("cache")).envs(environment.iter().copied());
        let output = command.args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        let shown: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        let code = output.status.code().unwrap_or_else(|| panic!("{shown:?} hangs or is killed: {said}"));
        assert!((0..=3).contains(&code), "{shown:?} ends with {code}: {said}");
        assert!(!said.contains("trainyard made a mistake") && !said.contains("panicked"), "{shown:?}: {said}");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}: a terminal would obey {said:?}");
        (code, said)
    }

    /// A run of the small pipeline.
    fn run_small(&self) -> PathBuf {
        self.write("small.yaml", small());
        let (code, stdout, stderr) = self.call(&["run", "small.yaml", "--quiet"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        self.latest()
    }

    /// The directory of the run that was made last.
    fn latest(&self) -> PathBuf {
        let runs = fs::read_dir(self.path("runs/small")).unwrap().map(|entry| entry.unwrap().path());
        runs.max_by_key(|run| run.join("run.json").metadata().unwrap().modified().unwrap()).unwrap()
    }

    /// Everything there is, but for the cache and what lies in `inside`.
    fn outside(&self, inside: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = path.symlink_metadata().unwrap().file_type();
                if path == inside || path == self.path("cache") {
                    continue;
                }
                let content = match () {
                    () if kind.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_vec(),
                    () if kind.is_file() => fs::read(&path).unwrap(),
                    () => Vec::new(),
                };
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                all.insert(path, content);
            }
        }
        all
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// What is called on a run.
type Call<'a> = &'a [&'a str];

/// The commands that read the record of a run, which is called `RUN` here.
const OF_THE_RECORD: [Call<'static>; 9] = [
    &["report", "RUN"],
    &["report", "RUN", "--format", "md"],
    &["compare", "runs/small/sound", "RUN"],
    &["runs", "list"],
    &["runs", "show", "RUN"],
    &["runs", "prune", "--keep", "1", "--older-than", "1d"],
    &["predict", "RUN", "pixel.png"],
    &["evaluate", "RUN"],
    &["run", "--resume", "RUN"],
];
/// Those that read the curves, the figures and the predictions.
const OF_THE_REST: [Call<'static>; 3] =
    [&["report", "RUN"], &["compare", "RUN", "runs/small/sound"], &["runs", "list", "--sort", "test_accuracy"]];

/// A run, and a sound copy of it in `runs/small/sound`.
struct Damaged {
    bench: Bench,
    run: PathBuf,
    sound: PathBuf,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Damaged {
    fn new() -> Self {
        let bench = Bench::new();
        let run = bench.run_small();
        let sound = bench.path("runs/small/sound");
        copy(&run, &sound);
        bench.write("pixel.png", PIXEL);
        let _ = fs::remove_file(bench.path("runs/index.html"));
        let before = bench.outside(&run);
        Damaged { bench, run, sound, before }
    }

    /// Puts `content` into one of its files, and calls commands on it.
    fn with(&self, file: &str, content: &[u8], calls: &[Call<'_>]) {
        copy(&self.sound, &self.run);
        fs::write(self.run.join(file), content).unwrap();
        self.call(calls);
        let _ = fs::remove_file(self.run.join("template.html"));
        assert!(self.bench.outside(&self.run) == self.before, "something is new outside of {}", self.run.display());
    }

    /// The same for a file that is JSON.
    fn edited(&self, file: &str, calls: &[Call<'_>], edit: impl Fn(&mut Json)) {
        let mut content: Json = serde_json::from_slice(&fs::read(self.sound.join(file)).unwrap()).unwrap();
        edit(&mut content);
        self.with(file, content.to_string().as_bytes(), calls);
    }

    fn call(&self, calls: &[Call<'_>]) {
        let run = self.run.to_str().unwrap();
        for call in calls {
            let words: Vec<&str> = call.iter().map(|word| if *word == "RUN" { run } else { word }).collect();
            self.bench.survive(&words, &[]);
        }
    }
}

const AWKWARD: &str = "../../<script>alert(1)</script>\u{1b}[31m\r\n\u{202e}\0";

#[test]
fn a_record_that_was_edited() {
    let damaged = Damaged::new();
    damaged.edited("run.json", &OF_THE_RECORD, |info| {
        info["name"] = json!(AWKWARD);
        info["id"] = json!("../../../elsewhere");
        info["reason"] = json!(AWKWARD);
        info["warnings"] = json!([AWKWARD]);
        info["layers"][0]["name"] = json!(AWKWARD);
        info["data"]["classes"][0] = json!(AWKWARD);
        info["provenance"]["command"] = json!([AWKWARD]);
        info["provenance"]["environment"] = json!({ AWKWARD: AWKWARD });
    });
    damaged.edited("run.json", &OF_THE_RECORD, |info| {
        info["training"] = json!({
            "epochs": 0, "epochs_done": 1_000_000_000_000_000_000_u64, "steps_per_epoch": u64::MAX,
            "steps_done": u64::MAX, "stopped_early": true, "best_epoch": 0,
        });
        info["layers"][0]["parameters"] = json!(u64::MAX);
        info["layers"][1]["parameters"] = json!(u64::MAX);
        info["layers"][0]["flops"] = json!(u64::MAX);
        info["layers"][0]["output_shape"] = json!([u64::MAX, u64::MAX]);
    });
    damaged.edited("run.json", &OF_THE_RECORD, |info| {
        info["training"]["best_epoch"] = json!(1_000_000_000);
        info["timings"] = json!({ "setup": -1e308, "training": 1e308, "evaluation": 1e308, "total": 1e308 });
        (info["started"], info["finished"]) = (json!("1970-01-01T00:00:00Z"), json!("9999-12-30T23:59:59Z"));
    });
    damaged.edited("run.json", &OF_THE_RECORD, |info| {
        (info["started"], info["finished"]) = (json!("2100-02-30T99:99:99+99:99"), json!("é"));
        info["data"]["classes"] = json!([]);
        info["data"]["shape"] = json!([]);
        info["data"]["train"] = json!(u64::MAX);
        info["data"]["test"] = json!(u64::MAX);
        info["status"] = json!("running");
    });
    damaged.edited("run.json", &OF_THE_RECORD, |info| info["epochs"] = info["training"].take());
    damaged.edited("run.json", &OF_THE_RECORD, |info| {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        info["details"] = serde_json::from_str(&deep(100)).unwrap();
    });
    damaged.edited("run.json", &OF_THE_RECORD, |info| *info = json!([info.clone()]));
}

#[test]
fn an_evaluation_that_was_edited() {
    let damaged = Damaged::new();
    damaged.edited("evaluation.json", &OF_THE_REST, |evaluation| {
        evaluation["examples"] = json!(u64::MAX);
        evaluation["metrics"] = json!({ "test_accuracy": -1e308, "test_loss": 1e308, AWKWARD: 5e-324 });
        evaluation["intervals"] = json!({ "test_accuracy": [1e308, -1e308] });
    });
    damaged.edited("evaluation.json", &OF_THE_REST, |evaluation| {
        evaluation["examples"] = json!(0);
        let matrix = &mut evaluation["steps"][0]["confusion_matrix"];
        matrix["counts"][0] = json!([u64::MAX, u64::MAX]);
        matrix["counts"][1] = json!([]);
    });
    damaged.edited("evaluation.json", &OF_THE_REST, |evaluation| {
        evaluation["steps"][0]["confusion_matrix"]["classes"] = json!([AWKWARD])
    });
    damaged.edited("evaluation.json", &OF_THE_REST, |evaluation| {
        evaluation["steps"] = json!([{ "confusion_matrix": {} }])
    });
    damaged.edited("evaluation.json", &OF_THE_REST, |evaluation| *evaluation = json!(null));
}

#[test]
fn texts_and_tables_that_are_none() {
    let damaged = Damaged::new();
    let parquet = fs::read(damaged.sound.join("predictions.parquet")).unwrap();
    let curves = "epoch,loss,learning_rate,seconds,images_per_second,data_wait_seconds\n";
    let deep = "[".repeat(1 << 20);
    let endless = "{% for i in range(99999999) %}{% for j in range(99999999) %}{{ i }}{% endfor %}{% endfor %}";
    let evaluate: [Call<'_>; 1] = [&["evaluate", "RUN"]];
    damaged.with("history.csv", format!("{curves}1000000000000000000,1,1,1,1,1\n").as_bytes(), &OF_THE_REST);
    damaged.with("history.csv", format!("{curves}0,nan,inf,-1e308,1e308,-1\n-1,,,,,\n").as_bytes(), &evaluate);
    damaged.with("history.csv", b"\xff\xfe\0\"\n\"", &OF_THE_REST);
    damaged.with("run.json", deep.as_bytes(), &OF_THE_REST);
    damaged.with("data.json", deep.as_bytes(), &OF_THE_REST[..1]);
    let nothing = br#"{"classes": [], "shape": [0], "splits": [{"name": "train"}]}"#;
    damaged.with("data.json", nothing, &OF_THE_REST[..1]);
    damaged.with("predictions.parquet", b"PAR1\xff\xff\xff\x7fPAR1", &OF_THE_REST[1..2]);
    damaged.with("predictions.parquet", &parquet[..parquet.len() / 2], &OF_THE_REST[1..2]);
    damaged.with("resolved.yaml", b"a: &a [*a, *a]\n\xff", &[OF_THE_REST[1], evaluate[0]]);
    damaged.with("pipeline.yaml", b"\xff", &OF_THE_REST[..1]);
    damaged.with("template.html", endless.as_bytes(), &OF_THE_REST[..1]);
}

#[test]
fn a_run_whose_files_are_links_to_others() {
    let damaged = Damaged::new();
    let Damaged { bench, run, .. } = &damaged;
    bench.write("precious", "as it was");
    bench.write("folder/precious", "as it was");
    for name in ["report.html", "evaluation.json", "predictions.parquet", "data.json", "template.html", ".lock"] {
        let _ = fs::remove_file(run.join(name));
        symlink(bench.path("precious"), run.join(name)).unwrap();
    }
    symlink(bench.path("folder"), run.join("tensorboard")).unwrap();
    fs::rename(run.join("checkpoint"), bench.path("folder/checkpoint")).unwrap();
    symlink(bench.path("folder/checkpoint"), run.join("checkpoint")).unwrap();
    let kept = fs::read_dir(bench.path("folder/checkpoint")).unwrap().count();
    damaged.call(&OF_THE_RECORD);
    bench.survive(&["runs", "prune", "--keep", "0", "--yes"], &[]);
    for kept in ["precious", "folder/precious"] {
        assert_eq!(fs::read_to_string(bench.path(kept)).unwrap(), "as it was");
    }
    assert_eq!(fs::read_dir(bench.path("folder/checkpoint")).unwrap().count(), kept);
}

#[test]
fn weights_that_are_something_else() {
    let bench = Bench::new();
    let run = bench.run_small();
    bench.write("pixel.png", PIXEL);
    let weights = run.join("model.safetensors");
    let tensor = |name: &str, shape: &str, place: &str| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{place}]}}")
    };
    let of = |first: String, second: String| {
        let header = format!("{{{first},{second}}}");
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 2600]].concat()
    };
    let (kernel, bias) = ("dense.kernel", "dense.bias");
    for (content, told) in [
        (b"\x80\x02}q\x00.and so on".to_vec(), "it is a pickle"),
        (b"PK\x03\x04\x00\x00archive/data.pkl".to_vec(), "it is a zip archive"),
        ([&(1u64 << 63).to_le_bytes()[..], b"{}"].concat(), "its header is to have 9223372036854775808 bytes"),
        (of(tensor(kernel, "10,64", "0,2560"), tensor(bias, "10", "2540,2600")), "`dense.bias`"),
        (
            of(tensor(kernel, "10,64", "0,2560"), tensor(bias, "10", "2560,18446744073709551615")),
            "`dense.bias` is to lie",
        ),
        (of(tensor(kernel, "10,64", "0,2560"), tensor(bias, "-10", "2560,2600")), "`dense.bias`"),
        (of(tensor(kernel, "10,64", "0,2560"), tensor("other", "10", "2560,2600")), "holds `other`"),
        (Vec::new(), "it has only 0 bytes"),
    ] {
        fs::write(&weights, &content).unwrap();
        for arguments in [&["evaluate", "small"][..], &["predict", "small", "pixel.png"]] {
            let (code, said) = bench.survive(arguments, &[]);
            assert!(code == 1 && said.contains(told), "{told}: {said}");
        }
    }
    fs::File::create(&weights).unwrap().set_len(1 << 42).unwrap();
    let (code, said) = bench.survive(&["evaluate", "small"], &[]);
    assert!(code == 1 && said.contains("it has 4.0 TiB, and the model's weights take 2.5 KiB"), "{said}");
}

#[test]
fn names_with_every_awkward_character() {
    let names: [&[u8]; 6] = [
        b"a b",
        b"it's \"quoted\" $(x) `y`",
        b"two\nlines",
        b"-dash",
        "\u{202e}\u{2028}猫".as_bytes(),
        b"n\xf6t utf\xff8",
    ];
    for name in names.map(OsStr::from_bytes) {
        let bench = Bench::new();
        let place = bench.path("").join(name);
        fs::create_dir(&place).unwrap();
        fs::write(place.join("p.yaml"), small()).unwrap();
        for (class, number) in [("one", 0), ("two", 1), ("one", 2), ("two", 3), ("one", 4), ("two", 5)] {
            fs::create_dir_all(place.join("photos").join(class)).unwrap();
            fs::write(place.join("photos").join(class).join(format!("{number}.png")), PIXEL).unwrap();
        }
        let text = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let runs = [OsString::from("--runs-dir"), place.join("runs").into()];
        let data = [OsString::from("--data-dir"), place.clone().into()];
        let call = |arguments: Vec<OsString>| bench.survive(&[arguments, runs.to_vec(), data.to_vec()].concat(), &[]);
        let pipeline = vec![place.join("p.yaml").into_os_string()];
        let folder =
            "dataset.source={image_folder: {train: photos, test: {split: 0.4}, image_size: 8, color_mode: grayscale}}";
        let flags = text(&[
            "--quiet",
            "--set",
            folder,
            "--set",
            "model.layers[2].dense.units=2",
            "--set",
            "expect={}",
            "--set",
            "dataset.validation={split: 0.5}",
        ]);
        let (code, said) = call([text(&["run"]), pipeline.clone(), flags].concat());
        assert_eq!(code, 0, "{name:?}: {said}");
        let found = fs::read_dir(place.join("runs/small")).unwrap().next().unwrap().unwrap().path();
        assert!(found.join("report.html").is_file());
        for arguments in [
            text(&["runs", "list"]),
            text(&["runs", "show", "small"]),
            text(&["runs", "list", "--json"]),
            text(&["compare", "small", "small", "--json"]),
            [text(&["report", "--json"]), vec![found.clone().into()]].concat(),
            [text(&["report"]), vec![found.clone().into()]].concat(),
            [text(&["evaluate"]), vec![found.clone().into()]].concat(),
            [text(&["predict"]), vec![found.clone().into(), place.join("photos").into()]].concat(),
            [text(&["check"]), pipeline.clone()].concat(),
        ] {
            let (code, said) = call(arguments.clone());
            assert_eq!(code, 0, "{name:?} {arguments:?}: {said}");
        }
        // By its bare name, too.
        bench.survive(&[OsStr::new("check"), OsStr::new("--"), name], &[]);
        bench.survive(&[OsStr::new("report"), name], &[]);
    }
}

#[test]
fn other_places_and_other_languages() {
    let bench = Bench::new();
    bench.run_small();
    let figures = |run: &Path| fs::read(run.join("evaluation.json")).unwrap();
    let usual = figures(&bench.latest());
    for (zone, language) in [
        ("", "tr_TR.UTF-8"),
        (":", "de_DE@euro"),
        ("<-99>99:59:59", "C"),
        ("Nowhere/None", "\u{1b}"),
        ("../../../../etc/passwd", "ar_EG.UTF-8"),
        ("/", "zh_CN.GB18030"),
    ] {
        let around = [("TZ", zone), ("LC_ALL", language), ("LANG", language)];
        let (code, said) = bench.survive(&["run", "small.yaml", "--quiet"], &around);
        assert_eq!(code, 0, "{zone} {language}: {said}");
        assert!(figures(&bench.latest()) == usual, "{zone} {language}");
        bench.survive(&["runs", "list"], &around);
    }
}

#[test]
fn data_that_never_end() {
    let bench = Bench::new();
    let source = "{image_folder: {train: photos, test: {split: 0.3}, image_size: 8, color_mode: grayscale}}";
    bench.write("p.yaml", small().replace("digits", source).replace("{dense: 10}", "{dense: 2}"));
    for number in 0..10 {
        bench.write(&format!("photos/{}/{number}.png", ["one", "two"][number % 2]), PIXEL);
    }
    let pipe = bench.path("photos/one/pipe.png");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink("/dev/zero", bench.path("photos/two/zero.png")).unwrap();
    symlink("/nowhere", bench.path("photos/two/nowhere.png")).unwrap();
    symlink(bench.path("photos"), bench.path("photos/two/around")).unwrap();
    for arguments in [&["data", "verify", "p.yaml"][..], &["run", "p.yaml"]] {
        let (code, said) = bench.survive(arguments, &[]);
        assert!(code == 1 && said.contains("pipe.png is no file") && said.contains("zero.png is no file"), "{said}");
    }
    // A data set in which one file is a pipe.
    let folder = bench.path("data/cifar-10-batches-bin");
    fs::create_dir_all(&folder).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("batches.meta.txt")).status().unwrap().success());
    let (code, said) = bench.survive(&["data", "fetch", "cifar10", "--data-dir", "data"], &[]);
    assert!(code == 1 && said.contains("is no file"), "{said}");
    // One whose header tells of a few images, and that unpacks to far more.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&[0x803u32, 3, 28, 28].map(u32::to_be_bytes).concat()).unwrap();
    (0..64).for_each(|_| packer.write_all(&[0; 1 << 20]).unwrap());
    bench.write("data/mnist/train-images-idx3-ubyte.gz", packer.finish().unwrap());
    let (code, said) = bench.survive(&["data", "fetch", "mnist", "--data-dir", "data"], &[]);
    assert!(code == 1 && said.contains("has more bytes behind its header"), "{said}");
}

#[test]
fn pipelines_that_blow_up() {
    let bench = Bench::new();
    let mut doubling = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        doubling += &format!("a{level}: &a{level} [{before}]\n");
    }
    for (name, content) in [
        ("doubling.yaml", doubling.into_bytes()),
        ("deep.yaml", b"[".repeat(1 << 19)),
        ("deeper.yaml", b"- ".repeat(1 << 19)),
        ("mappings.yaml", b"{a: ".repeat(1 << 17)),
        ("large.yaml", b"# long\n".repeat(1 << 18)),
        ("circle.yaml", b"extends: circle.yaml\n".to_vec()),
        ("binary.yaml", (0..=255).collect()),
        ("empty.yaml", Vec::new()),
        ("units.yaml", small().replace("dense: 10", "dense: 9223372036854775807").into_bytes()),
        ("epochs.yaml", small().replace("epochs: 2", "epochs: 1e400").into_bytes()),
        ("name.yaml", small().replace("name: small", "name: ../../elsewhere").into_bytes()),
    ] {
        bench.write(name, content);
        let before = bench.outside(&bench.path("none"));
        for command in ["check", "plan", "run"] {
            let (code, said) = bench.survive(&[command, name], &[]);
            assert!(code != 0, "{command} {name}: {said}");
        }
        assert!(bench.outside(&bench.path("none")) == before, "{name}");
    }
}
