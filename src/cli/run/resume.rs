//! Going on with a run: which one, from where, and what of its pipeline may be different.

use super::{prepared::Prepared, start::Start};
use crate::{
    check::{Checked, Options},
    cli::context::{Output, resolved_pipeline},
    device,
    diagnostic::{Code, Diagnostic, Result, nearest},
    gate::Suite,
    run::{DataInfo, RunDirectory, RunInfo, Status, TEMPLATE, checkpoint::Found, store},
    schedule::LearningRate,
    spec::{
        self, Pipeline,
        contract::{self, Change, Freedom, changes},
    },
};
use std::path::{Path, PathBuf};

/// What the user asked for.
pub struct Request<'a> {
    /// The run, or `last`.
    pub run: &'a Path,
    /// The pipeline, where it isn't to be the run's own.
    pub file: Option<&'a Path>,
    /// Keys that may be different.
    pub allow: &'a [String],
    /// How many processes there are now.
    pub processes: usize,
    /// How it is checked, and what overrides it.
    pub options: Options<'a>,
}

fn refuse(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::CANNOT_RESUME, message)
}

/// What `--allow` names: keys that may be different where a run is resumed, and codes of warnings.
pub fn keys_and_codes(allow: &[String]) -> (Vec<String>, Vec<String>) {
    allow.iter().cloned().partition(|name| contract::can_be_allowed(name))
}

/// Refuses what `--allow` names that is neither a key that may be different where a run is resumed nor a warning.
///
/// # Errors
/// Where there is such a name.
pub fn hold_to_keys(codes: &[String]) -> Result<()> {
    let Some(name) = codes.iter().find(|name| Code::named(name).is_none()) else { return Ok(()) };
    let message = format!("`{name}` cannot be allowed to be different where a run is resumed");
    let keys: Vec<&str> = contract::allowable().collect();
    let near = keys.iter().find(|key| key.ends_with(&format!(".{name}"))).copied();
    let problem = refuse(message).fact(format!("these can: {}", keys.join(", ")));
    Err(Box::new(match near.or_else(|| nearest(name, keys.iter().copied())) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }))
}

/// Finds the run and makes it ready to go on; where its pipeline isn't sound, what is wrong is told, and given as a suite.
///
/// # Errors
/// Where there is no such run, another process is at work in it, or the pipeline differs in what it may not.
pub fn prepare(request: &Request<'_>, output: &Output) -> Result<std::result::Result<Prepared, Suite>> {
    let directory = find(request, output)?;
    let lock = directory.lock()?;
    let mut info = directory.read_info()?;
    let own = directory.file("resolved.yaml");
    // The run's own page lies beside its own pipeline.
    let page =
        (request.file.is_none() && directory.file(TEMPLATE).is_file()).then(|| format!("report.template={TEMPLATE}"));
    let before = resolved_pipeline(&directory, page.as_slice())?;
    let sets: Vec<String> = page.into_iter().chain(request.options.sets.iter().cloned()).collect();
    let file = request.file.unwrap_or(&own);
    let checked = output.with_surroundings(None, |surroundings| {
        // A lock lies beside the user's own file only; without one, what the run was measured against still holds.
        let runs = request.file.map(|_| &*output.runs_directory);
        output.check(file, &Options { surroundings: Some(surroundings), sets: &sets, runs, ..request.options })
    });
    let Some(now) = checked.pipeline.as_ref().filter(|_| checked.is_sound()) else {
        return Ok(Err(Suite::of_problems(file, &checked.sources, &checked.problems)));
    };
    let changes = changes(&before, &now.pipeline);
    hold_to_contract(&changes, request.allow, &directory)?;

    let Found { files, passed_over } = directory.read_checkpoint();
    let mut notes: Vec<String> =
        passed_over.iter().map(|damaged| format!("a checkpoint is passed over: {damaged}")).collect();
    notes.extend(other_surroundings(&info, &now.pipeline, request.processes));
    if files.is_none() && info.status == Status::Completed {
        let problem = refuse(format!("{} holds no checkpoint that is whole", directory.path().display()));
        return Err(Box::new(passed_over.into_iter().fold(problem, Diagnostic::fact).help("begin a new run")));
    }
    for note in &notes {
        output.tell(&checked.sources, &Diagnostic::warning(Code::BAD_RUN, note.clone()));
    }
    let complete = info.status == Status::Completed;
    let (done, epochs) = (info.training.epochs_done, now.pipeline.training.epochs);
    let only_epochs = changes.iter().all(|change| change.key == "training.epochs");
    if complete && only_epochs && (changes.is_empty() || epochs <= done) || epochs < done {
        let is = if complete { "is complete" } else { "is further than that" };
        let message = format!("{} {is}, after {done} epochs: there is nothing to resume", directory.path().display());
        let help = "train further with `--set training.epochs=N --allow training.epochs`";
        return Err(Box::new(refuse(message).help(help)));
    }
    if request.file.is_none() {
        tell_of_edits(&info, &directory, output);
    }
    tell_of_epochs(&info, &before, &now.pipeline, output);
    (info.reason, info.details, info.finished) = (None, Vec::new(), None);
    // That of the run, so that its last digits go on as they began.
    let optimize = !info.provenance.passes.is_empty();
    let threads = Some(info.provenance.threads).filter(|_| !changes.iter().any(|change| change.key == "threads"));
    let other_callbacks = changes.iter().any(|change| change.key == "training.callbacks");
    let file = request.file.map_or_else(|| PathBuf::from(&info.provenance.pipeline_file), Path::to_owned);
    let changes = changes.into_iter().map(|change| change.text).collect();
    let start = match complete {
        true => Start::Extended { parent: Box::new(info), files: files.unwrap_or_default(), changes, notes },
        false => Start::Resumed { directory, lock, info: Box::new(info), files, changes, notes },
    };
    Ok(Ok(Prepared { file, checked, start, threads, other_callbacks, group: None, opened: None, optimize }))
}

fn find(request: &Request<'_>, output: &Output) -> Result<RunDirectory> {
    let of_file = request.file.filter(|_| request.run == Path::new(store::LAST));
    let sound = of_file.and_then(|file| spec::load(file, request.options.sets).pipeline);
    let wanted = sound.map_or_else(|| request.run.to_owned(), |sound| PathBuf::from(&sound.pipeline.name));
    output.find_run(&wanted).map_err(|mut problem| {
        // That there is nothing to go on with is told apart from what fails on the way.
        problem.code = Code::CANNOT_RESUME;
        problem
    })
}

/// Says where the user's file isn't what the run was made of: without it being named, the run goes on as it was.
fn tell_of_edits(info: &RunInfo, directory: &RunDirectory, output: &Output) {
    let file = &info.provenance.pipeline_file;
    let now = std::fs::read_to_string(file);
    let then = std::fs::read_to_string(directory.file("pipeline.yaml"));
    if let (Ok(now), Ok(then)) = (now, then)
        && !then.starts_with(&now)
        && !output.quiet
    {
        eprintln!("{file} was edited since; the run goes on as it was. To take that over, name the file, too");
    }
}

/// Refuses what may not be different, and what was not asked for.
fn hold_to_contract(changes: &[Change], allow: &[String], directory: &RunDirectory) -> Result<()> {
    let refused = changes.iter().filter(|change| change.freedom == Freedom::Refused);
    let refused: Vec<&Change> = refused.collect();
    let place = directory.path().display();
    if !refused.is_empty() {
        let problem = refuse(format!("{place} was trained with another pipeline, which its checkpoint doesn't fit"));
        let problem = refused.iter().fold(problem, |problem, change| problem.fact(change.text.as_str()));
        return Err(Box::new(problem.help("take these back, or begin a new run")));
    }
    let asked = |change: &&Change| change.freedom == Freedom::OnRequest && !allow.contains(&change.key);
    let unasked: Vec<&Change> = changes.iter().filter(asked).collect();
    if unasked.is_empty() {
        return Ok(());
    }
    let problem = refuse(format!("{place} was trained otherwise so far, which has to be allowed"));
    let problem = unasked.iter().fold(problem, |problem, change| problem.fact(change.text.as_str()));
    let mut keys: Vec<&str> = unasked.iter().map(|change| change.key.as_str()).collect();
    keys.dedup();
    let flags: Vec<String> = keys.iter().map(|key| format!("--allow {key}")).collect();
    Err(Box::new(problem.help(format!("with `{}` it goes on with these from the checkpoint on", flags.join(" ")))))
}

/// What of the program and the machine is other than it was, so that the last digits may be, too.
fn other_surroundings(info: &RunInfo, pipeline: &Pipeline, processes: usize) -> Vec<String> {
    let provenance = &info.provenance;
    let device = device::open(&pipeline.device).map(device::name).unwrap_or_default();
    let now = [
        ("the program", &provenance.version, env!("CARGO_PKG_VERSION").to_owned()),
        ("libtorch", &provenance.libtorch, device::torch_version()),
        ("the processor's capability", &provenance.cpu_capability, device::cpu_capability()),
        ("the device", &provenance.device, device),
        ("the number of processes", &provenance.processes.max(1).to_string(), processes.to_string()),
    ];
    let others = now.into_iter().filter(|(_, before, now)| *before != now);
    let told = others.map(|(what, before, now)| {
        format!("{what} was {before} and is {now}: the run goes on, but not bit for bit as it would have")
    });
    told.collect()
}

/// Says what becomes of the rate and of early stopping where the number of epochs is another one.
fn tell_of_epochs(info: &RunInfo, before: &Pipeline, now: &Pipeline, output: &Output) {
    let (old, new) = (before.training.epochs, now.training.epochs);
    if old == new || output.quiet {
        return;
    }
    // The contract refuses another number of epochs where the rates hang on it.
    let rates = match now.training.optimizer.learning_rate() {
        LearningRate::Constant(rate) => format!("the learning rate is {rate} throughout"),
        LearningRate::Scheduled(schedule) => format!("`{}` doesn't hang on their number", schedule.name()),
    };
    eprintln!("{old} -> {new} epochs: {rates}, so no schedule is stretched or cut");
    if info.training.stopped_early && before.training.callbacks == now.training.callbacks {
        eprintln!(
            "early stopping ended this run after epoch {}, and no epoch will be added",
            info.training.epochs_done
        );
    }
}

/// Refuses other data than the run was trained on.
///
/// # Errors
/// Where they are other ones.
pub fn same_data(before: Option<&DataInfo>, now: &DataInfo) -> Result<()> {
    match before {
        Some(before) if before.digest != now.digest => {
            let message = format!("the data in {} aren't those that the run was trained on", now.location);
            let problem = Diagnostic::error(Code::DATA_CHANGED, message);
            let problem = problem.fact(format!("their SHA-256 was {} and is {}", before.digest, now.digest));
            Err(Box::new(problem.help("bring them back, or begin a new run")))
        }
        _ => Ok(()),
    }
}

/// Where the pipeline of a run in place is another one now, that is what the run is said to be.
pub fn describe(info: &mut RunInfo, checked: &Checked, pipeline: &Pipeline) {
    info.name.clone_from(&pipeline.name);
    info.description.clone_from(&pipeline.description);
    info.title.clone_from(&pipeline.report.title);
    info.sections = pipeline.report.sections.clone().unwrap_or_default();
    info.training.epochs = pipeline.training.epochs;
    if !checked.baselines.is_empty() {
        info.baselines = checked.baselines.clone();
    }
    if let Some(sound) = &checked.pipeline {
        info.configuration = spec::origins::resolved_lines(&checked.sources, sound);
    }
}
