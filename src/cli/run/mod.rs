//! `trainyard run`

mod preflight;
mod ranks;
mod recorder;
mod restart;
mod resume;
mod reuse;
mod seeds;
mod several;
mod start;
mod work;

pub use ranks::{processes, together};
pub use work::{Beginning, build, class_weights, data_info, open_data, splits};

use super::{
    Ending, LintArguments,
    context::{Output, set_up_means, set_up_threads, stop_flag, stopped_by},
    evaluate::print_metrics,
    outcome::{OutcomeArguments, print_expectations},
    reproduce::hold_to_lock,
    runs::renew_index,
    summary::layer_table,
};
use crate::{
    check::{self, Checked, Options},
    diagnostic::{Code, Diagnostic, Result, SourceMap, nearest},
    distributed::Group,
    gate::{Suite, suite_of_run},
    path,
    progress::{Terminal, duration},
    run::{
        EvaluationRecord, Lineage, Resumption, RunDirectory, RunInfo, RunLock, Status, TEMPLATE,
        checkpoint::{Files, position},
    },
    spec::{Pipeline, contract, load::Sound},
};
use ranks::Task;
use recorder::Recorder;
use serde_json::{Value as Json, json};
use several::Entry;
use signal_hook::consts::SIGTERM;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};
use work::{Opened, Work, input_advice, input_bound};

/// `trainyard run FILE...`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  trainyard run pipelines/cifar10.yaml --set training.epochs=5\n  trainyard run \
                        pipelines/*.yaml\n  trainyard run --resume last\n  trainyard run --resume cifar10-cnn --set \
                        training.epochs=80 --allow training.epochs")]
pub struct Arguments {
    /// The pipelines. Several are run one after the other, whatever becomes of each.
    #[arg(required_unless_present = "resume", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Override a value: `training.epochs=5`, `model.layers[1].conv2d.filters=64`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    lints: LintArguments,
    #[command(flatten)]
    outcome: OutcomeArguments,
    /// Go on with a run from its latest checkpoint: its directory, NAME for the latest one of that name, or `last`. Its own
    /// pipeline holds where no FILE is given. What is different in training has to be allowed: `--allow training.epochs`.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["locked", "reuse", "seeds"])]
    resume: Option<PathBuf>,
    /// Begin only where the inputs are those of the lock beside the pipeline; with its number of threads.
    #[arg(long, conflicts_with = "seeds")]
    locked: bool,
    /// Take a complete run of the same pipeline, data and program instead, where there is one.
    #[arg(long)]
    reuse: bool,
    /// Run with so many seeds, from the pipeline's own on, and tell mean and spread. Expectations are held against the means.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: Option<u32>,
    /// Compute layer by layer, without the passes over the model that make it faster: for comparing. `summary --optimized` shows
    /// what they do.
    #[arg(long, conflicts_with_all = ["resume", "locked"])]
    no_optimize: bool,
}

/// A pipeline that is ready to be run.
pub struct Prepared {
    /// The pipeline's file, as it was named.
    pub file: PathBuf,
    checked: Checked,
    start: Start,
    /// The threads to compute with where the pipeline says `auto`; nothing for what the machine allows.
    pub threads: Option<usize>,
    /// Whether a resumed run has other callbacks than it had.
    other_callbacks: bool,
    /// The group of runs with other seeds that it belongs to.
    group: Option<String>,
    /// The data, where they were looked at already.
    pub opened: Option<Opened>,
    /// Whether passes over the model may make it faster.
    pub optimize: bool,
}

impl Prepared {
    /// The pipeline.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        self.checked.pipeline.as_ref().map(|sound| &sound.pipeline)
    }

    /// The file of the weights that the model begins with, where there is one.
    pub fn initial_weights(&self) -> Option<PathBuf> {
        check::initial_weights(self.checked.pipeline.as_ref()?, &self.checked.sources)
    }
}

/// From where a run begins.
enum Start {
    /// From nothing.
    New,
    /// Where it was interrupted.
    Resumed {
        directory: RunDirectory,
        lock: RunLock,
        info: Box<RunInfo>,
        /// Its latest checkpoint, where it came that far.
        files: Option<Files>,
        changes: Vec<String>,
        notes: Vec<String>,
    },
    /// Where another one, which is complete, ended.
    Extended { parent: Box<RunInfo>, files: Files, changes: Vec<String>, notes: Vec<String> },
}

/// What became of a run.
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Where it is and what it says of itself, where it came that far.
    pub run: Option<(RunDirectory, RunInfo)>,
    /// Its figures, where it was evaluated.
    pub evaluation: Option<EvaluationRecord>,
    /// Whether it was there before.
    pub reused: bool,
    /// What was asked of it.
    pub suite: Suite,
}

impl Finished {
    /// That of a pipeline that cannot be run.
    fn invalid(suite: Suite) -> Self {
        Finished { ending: Ending::Invalid, run: None, evaluation: None, reused: false, suite }
    }

    /// What `--json` prints of it.
    pub fn json(&self, file: &Path) -> Json {
        let Some((directory, info)) = &self.run else { return json!({ "run": null, "status": "invalid" }) };
        json!({
            "pipeline": file.display().to_string(),
            "run": directory.path().display().to_string(), "report": directory.file("report.html").display().to_string(), "status": info.status,
            "epochs": info.training.epochs_done, "best_epoch": info.training.best_epoch,
            "metrics": self.evaluation.as_ref().map(|evaluation| &evaluation.metrics),
            "expectations": info.expectations, "weights_digest": info.weights_digest,
        })
    }
}

/// Checks, trains, evaluates, reports.
pub fn run(arguments: &Arguments, output: &Output) -> Result<Ending> {
    stop_flag();
    let options = Options { sets: &arguments.set, ..arguments.lints.options() };
    let Some(run) = &arguments.resume else {
        return together(&arguments.files, &options, output, |group| run_all(arguments, group, output));
    };
    let own = || Some(output.find_run(run).ok()?.file("resolved.yaml"));
    let file = arguments.files.first().cloned().or_else(own);
    let (keys, codes) = keys_and_codes(arguments);
    let options = Options { allow: &codes, ..options };
    together(file.as_slice(), &options, output, |group| resume_one(run, arguments, (&keys, &codes), group, output))
}

/// What `--allow` names: keys that may be different where a run is resumed, and codes of warnings.
fn keys_and_codes(arguments: &Arguments) -> (Vec<String>, Vec<String>) {
    arguments.lints.allow.iter().cloned().partition(|name| contract::can_be_allowed(name))
}

fn run_all(arguments: &Arguments, group: &Group, output: &Output) -> Result<Ending> {
    let mut all = Vec::new();
    for file in &arguments.files {
        if stop_flag().load(Ordering::Relaxed) || group.is_broken() {
            break;
        }
        match one(file, arguments, group, output) {
            Ok(entry) => all.push(entry),
            Err(problem) => {
                output.tell(&SourceMap::default(), &problem);
                let suite = Suite::of_problems(file, &SourceMap::default(), [&*problem]);
                all.push(Entry { ending: Ending::of(&problem), suite, ..Entry::of_nothing(file, "") });
            }
        }
    }
    match (output.json, &all[..]) {
        (true, [single]) => print_json(&single.json),
        (true, several) => print_json(&several.iter().map(|entry| &entry.json).collect::<Vec<_>>()),
        (false, several) if arguments.files.len() > 1 => print!("{}", several::table(several)),
        _ => {}
    }
    let suites: Vec<Suite> = all.iter().map(|entry| entry.suite.clone()).collect();
    let told = arguments.outcome.tell(&suites, output);
    if all.len() < arguments.files.len() && !output.quiet {
        let left: Vec<String> = arguments.files[all.len()..].iter().map(|file| file.display().to_string()).collect();
        eprintln!("not begun: {}", left.join(", "));
    }
    told?;
    Ok(all.iter().map(|entry| entry.ending).max().unwrap_or(Ending::Interrupted))
}

fn print_json<T: serde::Serialize>(value: &T) {
    println!("{}", serde_json::to_string_pretty(value).expect("plain data"));
}

fn resume_one(
    run: &Path,
    arguments: &Arguments,
    (keys, codes): (&[String], &[String]),
    group: &Group,
    output: &Output,
) -> Result<Ending> {
    let options = Options { sets: &arguments.set, allow: codes, ..arguments.lints.options() };
    let file = arguments.files.first().map(PathBuf::as_path);
    let shown = file.unwrap_or(run);
    let prepared = if arguments.files.len() > 1 {
        let problem = Diagnostic::error(Code::CANNOT_RESUME, "one run goes on with one pipeline");
        Err(Box::new(problem.help("name one FILE, or none for the run's own pipeline")))
    } else {
        hold_to_keys(codes).and_then(|()| {
            resume::prepare(&resume::Request { run, file, allow: keys, processes: group.size(), options }, output)
        })
    };
    let finished = match prepared {
        Ok(Ok(prepared)) => {
            let shown = prepared.file.clone();
            let finished = execute(prepared, group, output)?;
            if output.json {
                print_json(&finished.json(&shown));
            }
            finished
        }
        Ok(Err(suite)) => Finished::invalid(suite),
        Err(problem) => {
            let suite = Suite::of_problems(shown, &SourceMap::default(), [&*problem]);
            arguments.outcome.tell(&[suite], output)?;
            return Err(problem);
        }
    };
    arguments.outcome.tell(&[finished.suite], output)?;
    Ok(finished.ending)
}

/// Refuses what `--allow` names that is neither a key that may be different where a run is resumed nor a warning.
fn hold_to_keys(codes: &[String]) -> Result<()> {
    let Some(name) = codes.iter().find(|name| Code::named(name).is_none()) else { return Ok(()) };
    let message = format!("`{name}` cannot be allowed to be different where a run is resumed");
    let keys: Vec<&str> = contract::allowable().collect();
    let near = keys.iter().find(|key| key.ends_with(&format!(".{name}"))).copied();
    let problem = Diagnostic::error(Code::CANNOT_RESUME, message).fact(format!("these can: {}", keys.join(", ")));
    Err(Box::new(match near.or_else(|| nearest(name, keys.iter().copied())) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }))
}

/// Runs one pipeline, with one seed or several.
fn one(file: &Path, arguments: &Arguments, group: &Group, output: &Output) -> Result<Entry> {
    let run = |sets: &[String], seeds: Option<&seeds::Group>| {
        let options = Options { sets, runs: Some(&*output.runs_directory), ..arguments.lints.options() };
        let mut prepared = match prepare(file, &options, output) {
            Ok(prepared) => prepared,
            Err(suite) => return Ok(Finished::invalid(suite)),
        };
        if let Some(baselines) = seeds.and_then(|group| group.baselines.clone()) {
            prepared.checked.baselines = baselines;
        }
        prepared.optimize = !arguments.no_optimize;
        if arguments.locked {
            hold_to_lock(file, &mut prepared, output)?;
        }
        if let Some(directory) = restart::left(&prepared, group) {
            return restart::go_on(directory, prepared, &options, group, output);
        }
        if arguments.reuse
            && let Some(finished) = reuse::find(&mut prepared, group.placement(), output)?
        {
            conclude(&finished, output);
            return Ok(finished);
        }
        prepared.group = seeds.map(|group| group.id.clone());
        execute(prepared, group, output)
    };
    match arguments.seeds {
        Some(count) => seeds::run(file, count, &arguments.set, output, |sets, seeds| run(sets, Some(seeds))),
        None => Ok(Entry::of(file, &run(&arguments.set, None)?)),
    }
}

/// Checks a pipeline; where it cannot be run, what is wrong is told, and given as a suite.
pub fn prepare(file: &Path, options: &Options<'_>, output: &Output) -> Result<Prepared, Suite> {
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(file, &Options { surroundings: Some(surroundings), ..*options })
    });
    if !checked.is_sound() {
        return Err(Suite::of_problems(file, &checked.sources, &checked.problems));
    }
    Ok(Prepared {
        file: file.to_owned(),
        checked,
        start: Start::New,
        threads: None,
        other_callbacks: false,
        group: None,
        opened: None,
        optimize: true,
    })
}

/// Runs what is ready, and says how it ended.
///
/// # Errors
/// Where there can be no run at all. What fails within one is told, and the run's record says it.
pub fn execute(prepared: Prepared, processes: &Group, output: &Output) -> Result<Finished> {
    let began = Instant::now();
    let Prepared { file, checked, start, threads: recorded_threads, other_callbacks, group, opened, optimize } =
        prepared;
    let (Some(sound), Some(plan)) = (&checked.pipeline, &checked.plan) else {
        return Ok(Finished::invalid(Suite::of_problems(&file, &checked.sources, &checked.problems)));
    };
    let pipeline = &sound.pipeline;
    let threads = set_up_threads(pipeline, recorded_threads, processes.placement());
    let means = set_up_means(pipeline, optimize, processes.placement())?;
    if !output.quiet {
        eprintln!("{}", layer_table(plan));
    }
    let changed = !matches!(&start, Start::Resumed { changes, .. } if changes.is_empty());
    let new = |files: Option<Files>| -> Result<_> {
        let stamp = jiff::ZonedDateTime::now().strftime("%Y%m%d-%H%M%S").to_string();
        let (directory, lock) = RunDirectory::create(&output.runs_directory, &pipeline.name, &stamp)?;
        let info =
            start::first_info(&checked, pipeline, plan, &directory, output, &means, (processes.size(), threads), &file);
        Ok((directory, lock, info, files))
    };
    let resumption = |files: &Option<Files>, changes, notes| {
        let (epochs, steps) =
            files.as_ref().and_then(position).map_or((0, 0), |position| (position.epochs, position.steps));
        Resumption { at: start::now(), epochs, steps, changes, notes }
    };
    let (directory, _lock, mut info, files) = match start {
        Start::New => new(None)?,
        Start::Extended { parent, files, changes, notes } => {
            let (directory, lock, mut info, files) = new(Some(files))?;
            info.data = parent.data.clone();
            // What was trained there took its time, too.
            info.timings = parent.timings;
            if info.baselines.is_empty() {
                info.baselines = parent.baselines.clone();
            }
            info.lineage = Some(Lineage { id: parent.id.clone(), epochs: parent.training.epochs_done });
            info.resumed.push(resumption(&files, changes, notes));
            (directory, lock, info, files)
        }
        Start::Resumed { directory, lock, mut info, files, changes, notes } => {
            info.resumed.push(resumption(&files, changes, notes));
            info.status = Status::Running;
            // What an evaluation that was cut off left isn't that of the run as it will be; nor is a history without a checkpoint.
            let stale = ["evaluation.json", "predictions.parquet", "history.csv"];
            let count = if files.is_some() { 2 } else { 3 };
            stale[..count].iter().try_for_each(|name| directory.remove(name))?;
            resume::describe(&mut info, &checked, pipeline);
            (directory, lock, *info, files)
        }
    };
    info.seeds = info.seeds.take().or(group);
    if let Some(again) = info.resumed.last().filter(|_| !output.quiet) {
        let from = info.lineage.as_ref().map_or_else(|| info.id.clone(), |parent| parent.id.clone());
        match files {
            Some(_) => eprintln!("going on with {from} after {} epochs and {} steps in all", again.epochs, again.steps),
            None => eprintln!("{from} holds no checkpoint: it begins again"),
        }
    }
    restart::leave_word(pipeline, &directory, processes);
    if !processes.is_alone() && !output.quiet {
        eprintln!(
            "{} processes of {threads} {} each",
            processes.size(),
            if threads == 1 { "thread" } else { "threads" }
        );
    }
    let listeners: Vec<Box<dyn crate::train::Observer>> = vec![Box::new(Terminal::new(output.quiet))];
    let policy = &pipeline.training.checkpoint;
    let mut recorder = Recorder::new(info, directory, policy, input_advice(pipeline), listeners, began);
    if changed {
        recorder.directory.write("pipeline.yaml", start::as_written(&checked).as_bytes())?;
        recorder.directory.write("resolved.yaml", pipeline.to_yaml().as_bytes())?;
        if let Some(page) = check::template(sound, &checked.sources)? {
            recorder.directory.write(TEMPLATE, page.as_bytes())?;
        }
    }

    let initial_weights = check::initial_weights(sound, &checked.sources);
    let files = files.as_ref();
    let group = processes;
    let work = Work { pipeline, plan, means, threads, group, start: began, files, initial_weights, other_callbacks };
    let begun = recorder.save().and_then(|()| Task::begin(&work, recorded_threads));
    let result = begun.and_then(|()| {
        // A mistake of ours ends this run and not those that come behind it.
        catch_unwind(AssertUnwindSafe(|| work.execute(&mut recorder, opened, output))).unwrap_or_else(|_| {
            let message = "the program made a mistake, which it told above";
            let problem = Diagnostic::error(Code::COMPUTATION, message);
            Err(Box::new(problem.fact(format!("after step {}", recorder.losses.len()))))
        })
    });
    let result = result.map_err(|problem| located(problem, sound));
    // Where a process is gone, torchrun tells the others to end by the same signal as `kill`.
    let is_gone = |problem: &Diagnostic| problem.code == Code::RANK && stopped_by() == SIGTERM as usize;
    let stopped = stop_flag().load(Ordering::Relaxed) && !result.as_ref().is_err_and(|problem| is_gone(problem));
    if let Err(problem) = &result {
        group.fail(problem);
        recorder.info.status = if stopped { Status::Interrupted } else { Status::Failed };
        recorder.info.reason = Some(problem.message.clone());
        recorder.info.details = problem.notes.iter().chain(&problem.help).cloned().collect();
    }
    recorder.info.finished = Some(start::now());
    let saved = recorder.save();
    renew_index(output);
    let Recorder { directory, info, .. } = recorder;
    let suite = suite_of_run(&info, directory.path(), &checked.sources, sound);
    let mut finished =
        Finished { ending: Ending::Done, run: Some((directory, info)), evaluation: None, reused: false, suite };
    let (directory, info) = finished.run.as_ref().expect("it was put there just now");
    let ending = match &result {
        Ok(_) if info.status == Status::Interrupted => Ending::Interrupted,
        Ok(_) if info.expectations.iter().any(|expectation| !expectation.met) => Ending::NotMet,
        Ok(_) => Ending::Done,
        Err(problem) if stopped => {
            eprintln!("interrupted: {problem}; see {}", directory.path().display());
            Ending::Interrupted
        }
        Err(problem) => {
            output.tell(&checked.sources, problem);
            eprintln!("what was done so far is in {}", directory.path().display());
            Ending::Failed
        }
    };
    let goes_on = matches!(info.status, Status::Interrupted | Status::Failed);
    if goes_on && !output.quiet && directory.has_checkpoint() {
        eprintln!("go on with it: trainyard run --resume {}", directory.path().display());
    }
    finished.ending = ending;
    if let Err(problem) = saved {
        // On a full disk it is what ended the run, too.
        if result.as_ref().err().is_none_or(|first| first.code != problem.code) {
            output.tell(&SourceMap::default(), &problem);
        }
        finished.ending = finished.ending.max(Ending::Failed);
    }
    if let Ok(evaluation) = result {
        finished.evaluation = evaluation;
        conclude(&finished, output);
    }
    Ok(finished)
}

/// Where memory doesn't suffice while the run is under way, the line that asks for so much of it.
fn located(problem: Box<Diagnostic>, sound: &Sound) -> Box<Diagnostic> {
    if problem.code != Code::MEMORY {
        return problem;
    }
    let batch = sound.pipeline.dataset.train.iter().position(|stage| stage.batch_size().is_some()).unwrap_or(0);
    Box::new(problem.at(sound.tree.place_of(path!["dataset", "train", batch]), "this many at once"))
}

/// Says how the run ended.
fn conclude(finished: &Finished, output: &Output) {
    let Some((directory, info)) = finished.run.as_ref().filter(|_| !output.json) else { return };
    if !output.quiet && !finished.reused {
        let kept = info.training.best_epoch.map(|e| format!(", weights of epoch {e} kept")).unwrap_or_default();
        let training = &info.training;
        if let Some(reason) = &training.stop_reason {
            eprintln!("stopped early: {reason}");
        }
        let how = match (info.status, training.stopped_early) {
            (Status::Interrupted, _) => format!("interrupted at step {}, after", training.steps_done),
            (_, true) => "stopped early after".to_owned(),
            _ => "trained for".to_owned(),
        };
        let time = duration(info.timings.training);
        let epochs = if training.epochs_done == 1 { "epoch" } else { "epochs" };
        eprintln!("{how} {} {epochs}, {time}{kept}", training.epochs_done);
    }
    if let Some(evaluation) = &finished.evaluation {
        print_metrics(evaluation);
    }
    print_expectations(&info.expectations);
    println!("report: {}", directory.file("report.html").display());
    if let Some(told) = info.input_bound.as_ref().filter(|_| !output.quiet) {
        eprintln!("{told}");
    }
}
