//! Whatever the bytes of a file and whatever the flags: the loader and the check say what is wrong, soon and with little
//! memory, and never panic.
//!
//! Inputs are random mutations of the pipelines in `pipelines/` and of the files in `tests/fuzz/corpus/`, which found
//! something once and are replayed every time; an input that is told something new becomes a seed, too. For each,
//!
//! - loading, checking and rendering every diagnostic doesn't panic,
//! - takes less than a second and 256 MiB,
//! - each error names a place or a file,
//! - and what is accepted resolves to itself: written out with all defaults, it is the same pipeline.
//!
//! In the test suite this runs for three seconds with a fixed seed. `TRAINYARD_FUZZ_SECONDS=3600` makes it an hour with a
//! seed of its own, which is printed; `TRAINYARD_FUZZ_SEED` gives the seed. What fails is made small and written to
//! `tests/fuzz/corpus-new/`, with its flags beside it as a list in JSON, `.sets`. An input that ends the process lies in
//! `target/tmp/`. `files.rs` does the same with the other files that the program reads.

mod bytes;
mod files;
mod mutate;
mod watch;

use mutate::{Input, Mutator};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};
use trainyard::{
    check::{self, Checked, Options},
    diagnostic::Renderer,
    random::Purpose,
    spec::Pipeline,
};
use watch::measure;

#[global_allocator]
static ALLOCATOR: watch::Counting = watch::Counting;

/// No input may take longer.
const MOST_TIME: Duration = Duration::from_secs(1);
/// No input may need more bytes.
const MOST_MEMORY: usize = 256 << 20;
/// The names of these two flaws.
const TOO_LONG: &str = "time";
const TOO_LARGE: &str = "memory";
/// An input that takes so long ends the process.
const HUNG: Duration = Duration::from_secs(60);
/// Of each kind, no more inputs become seeds.
const MOST_SEEDS: usize = 1000;

fn check(file: &Path, sets: &[String]) -> Checked {
    check::check(file, &Options { sets, ..Options::default() })
}

/// What is wrong: a short name, by which inputs that show the same are known, and the whole story.
#[derive(Clone, Debug)]
struct Flaw {
    name: String,
    story: String,
}

fn flaw(name: impl Into<String>, story: impl Into<String>) -> Flaw {
    Flaw { name: name.into(), story: story.into() }
}

thread_local! {
    /// Where the last panic was raised, and how that place was reached.
    static PANIC: RefCell<Option<Flaw>> = const { RefCell::new(None) };
}

/// Keeps what a panic says instead of showing it.
fn keep_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        let ours = trace.lines().filter(|line| line.contains("src/") && !line.contains("/rustc/"));
        let story = format!("{info}\n{}", ours.collect::<Vec<_>>().join("\n"));
        PANIC.set(Some(flaw(format!("panic at {place}"), story)));
    }));
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Flaw> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| PANIC.take().unwrap_or_else(|| flaw("panic", "")))
}

/// Where inputs are tried.
struct Bench {
    directory: PathBuf,
    /// When the input at hand was begun, in milliseconds since the epoch.
    begun: &'static AtomicU64,
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Ends the process where an input takes too long; gives the place for the time when it was begun.
fn end_where_it_hangs(file: &Path) -> &'static AtomicU64 {
    static BEGUN: AtomicU64 = AtomicU64::new(u64::MAX);
    let file = file.to_owned();
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            if now().saturating_sub(BEGUN.load(Ordering::Relaxed)) > HUNG.as_millis() as u64 {
                eprintln!("{} has been loading for {HUNG:?}", file.display());
                process::abort();
            }
        }
    });
    &BEGUN
}

impl Bench {
    fn new() -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let begun = end_where_it_hangs(&directory.join("input.yaml"));
        Bench { directory, begun }
    }

    fn close(self) {
        self.begun.store(u64::MAX, Ordering::Relaxed);
        fs::remove_dir_all(&self.directory).unwrap();
    }

    /// Checks `input`: what is told, or what is wrong with that.
    fn run(&self, input: &Input) -> Result<Told, Flaw> {
        self.begun.store(now(), Ordering::Relaxed);
        let file = self.directory.join("input.yaml");
        fs::write(&file, &input.file).unwrap();
        fs::write(file.with_extension("sets"), serde_json::to_string(&input.sets).unwrap()).unwrap();
        let (result, memory, time) = measure(|| caught(|| look(&file, &input.sets)));
        let told = result??;
        if time > MOST_TIME {
            return Err(flaw(TOO_LONG, format!("took {time:?}")));
        }
        if memory > MOST_MEMORY {
            return Err(flaw(TOO_LARGE, format!("held {memory} bytes")));
        }
        Ok(told)
    }
}

/// What is told of an input, without what was quoted from it.
struct Told {
    words: String,
    is_sound: bool,
}

/// What is told of a file; or what is wrong with that.
fn look(file: &Path, sets: &[String]) -> Result<Told, Flaw> {
    let checked = check(file, sets);
    let mut told = Told { words: String::new(), is_sound: checked.is_sound() };
    for problem in &checked.problems {
        let shown = Renderer::plain().render(&checked.sources, problem);
        if problem.message.trim().is_empty() {
            return Err(flaw(format!("empty message of {}", problem.code.name()), shown));
        }
        if problem.is_error() && problem.labels.is_empty() && problem.file.is_none() {
            return Err(flaw(format!("no place for {}", problem.code.name()), shown));
        }
        let words = problem.message.split('`').step_by(2).collect::<String>();
        told.words += &format!("{}: {}\n", problem.code.name(), words.replace(|c: char| c.is_ascii_digit(), ""));
    }
    match &checked.pipeline {
        Some(sound) if told.is_sound => resolve(&sound.pipeline, file).map(|()| told),
        Some(_) => Ok(told),
        None if checked.problems.iter().any(|problem| problem.is_error()) => Ok(told),
        None => Err(flaw("neither a pipeline nor an error", told.words)),
    }
}

/// A pipeline that is written out with all defaults is the same pipeline.
fn resolve(pipeline: &Pipeline, file: &Path) -> Result<(), Flaw> {
    let resolved = file.with_file_name("resolved.yaml");
    let yaml = pipeline.to_yaml();
    fs::write(&resolved, &yaml).unwrap();
    let again = check(&resolved, &[]);
    match &again.pipeline {
        Some(other) if other.pipeline != *pipeline => {
            Err(flaw("resolved, it is another pipeline", format!("{yaml}\n{}", other.pipeline.to_yaml())))
        }
        Some(_) if again.is_sound() => Ok(()),
        _ => {
            let said = again.problems.iter().map(|problem| Renderer::plain().render(&again.sources, problem));
            Err(flaw("resolved, it is refused", format!("{}\n{yaml}", said.collect::<Vec<_>>().join("\n"))))
        }
    }
}

/// The files of a directory that end in `.yaml`, with their flags.
fn inputs(directory: &Path) -> Vec<(String, Input)> {
    let files = fs::read_dir(directory).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
    let mut files: Vec<PathBuf> = files.unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let read = |file: PathBuf| {
        let sets = fs::read_to_string(file.with_extension("sets")).unwrap_or("[]".to_owned());
        let sets = serde_json::from_str(&sets).unwrap();
        (file.display().to_string(), Input { file: fs::read(file).unwrap(), sets })
    };
    files.into_iter().map(read).collect()
}

/// A smaller input that shows the same flaw: without most of its flags, lines and bytes.
fn smaller(bench: &Bench, input: &Input, name: &str) -> Input {
    if [TOO_LONG, TOO_LARGE].contains(&name) {
        return input.clone();
    }
    let shows = |input: &Input| bench.run(input).is_err_and(|flaw| flaw.name == name);
    let with = |file: &[Vec<u8>], sets: &[String]| Input { file: file.concat(), sets: sets.to_vec() };
    let lines = input.file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let sets = fewest(input.sets.clone(), |sets| shows(&with(std::slice::from_ref(&input.file), sets)));
    let lines = fewest(lines, |lines| shows(&with(lines, &sets)));
    let bytes = lines.concat().into_iter().map(|byte| vec![byte]).collect();
    with(&fewest(bytes, |bytes| shows(&with(bytes, &sets))), &sets)
}

/// Leaves out what can be, in ever smaller pieces, as long as there are not too many of them to try.
fn fewest<T: Clone>(mut parts: Vec<T>, shows: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut size = parts.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < parts.len() {
            let mut fewer = parts.clone();
            fewer.drain(at..(at + size).min(parts.len()));
            if shows(&fewer) {
                parts = fewer;
            } else {
                at += size;
            }
        }
        size = if size == 1 || parts.len() / size > 400 { 0 } else { size / 2 };
    }
    parts
}

/// Writes an input that failed; gives its name.
fn keep(input: &Input, name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus-new");
    fs::create_dir_all(&directory).unwrap();
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let file = directory.join(format!("{:016x}.yaml", hasher.finish()));
    fs::write(&file, &input.file).unwrap();
    if !input.sets.is_empty() {
        fs::write(file.with_extension("sets"), serde_json::to_string(&input.sets).unwrap()).unwrap();
    }
    file
}

/// What the environment says, where it says a number.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} isn't a number")))
}

#[test]
fn whatever_is_loaded_is_told_and_never_panics() {
    let seconds = number("TRAINYARD_FUZZ_SECONDS");
    let seed = number("TRAINYARD_FUZZ_SEED").unwrap_or(if seconds.is_some() { now() } else { 0 });
    println!("seed {seed}");
    keep_panics();
    let bench = Bench::new();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = [inputs(&repository.join("pipelines")), inputs(&repository.join("tests/fuzz/corpus"))].concat();
    let mut flaws: BTreeMap<String, String> = BTreeMap::new();
    for (name, input) in &known {
        if let Err(flaw) = bench.run(input) {
            flaws.insert(flaw.name, format!("{name}: {}", flaw.story));
        }
    }

    let known: Vec<Input> = known.into_iter().map(|(_, input)| input).collect();
    let mutator = Mutator::new(&known);
    let (mut sound, mut refused, mut told) = (Vec::new(), Vec::new(), BTreeSet::new());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(3));
    let (mut count, mut accepted) = (0, 0);
    while Instant::now() < end {
        let mut stream = Purpose::new(seed, "fuzz").stream(count, 0);
        let input = mutator.mutant(&[&known, &sound, &refused], &mut stream);
        count += 1;
        match bench.run(&input) {
            Ok(new) => {
                accepted += u64::from(new.is_sound);
                let pool = if new.is_sound { &mut sound } else { &mut refused };
                // What is accepted in silence is new often enough.
                if (told.insert(new.words) || new.is_sound && count % 16 == 0) && pool.len() < MOST_SEEDS {
                    pool.push(input);
                }
            }
            Err(flaw) if flaws.contains_key(&flaw.name) => {}
            Err(flaw) => {
                let file = keep(&smaller(&bench, &input, &flaw.name), &flaw.name);
                println!("{}: {}", file.display(), flaw.name);
                flaws.insert(flaw.name, format!("{}: {}", file.display(), flaw.story));
            }
        }
    }
    let _ = panic::take_hook();
    bench.close();
    println!("{count} inputs, {accepted} accepted, {} of them told something new", told.len());
    let stories: Vec<String> = flaws.iter().map(|(name, story)| format!("==== {name}\n{story}")).collect();
    assert!(stories.is_empty(), "{} flaws:\n{}", stories.len(), stories.join("\n"));
}
