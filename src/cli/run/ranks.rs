//! Several processes at work on one run: the first leads, the others follow.
//!
//! Only the first one reads pipelines, decides what is run, writes and speaks. It tells the others what to train; they have
//! nothing but that and the data.

use super::work::Work;
use crate::{
    check::{self, Checked, Options},
    cli::{
        Ending,
        context::{
            Output, count_as_stopped_by, note_run, set_up_means, set_up_threads, stop_flag, stopped_by, what_is_left,
        },
    },
    device,
    diagnostic::{Code, Diagnostic, Result, Severity, SourceMap, io_error},
    distributed::{Group, Launch, Placement},
    run::checkpoint::Files,
    spec::{self, Pipeline},
    strategy::DataParallel,
};
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What the first process tells the others.
#[derive(Serialize, Deserialize)]
enum Order {
    /// To train with it.
    Run(Task),
    /// That there is no more to do; whether the user wanted to stop.
    End { interrupted: bool },
}

/// What is to be trained.
#[derive(Serialize, Deserialize)]
pub struct Task {
    /// Where the first process keeps the run.
    run: PathBuf,
    /// The resolved pipeline, without what only the first process needs; paths in it are absolute.
    pipeline: String,
    /// The threads to compute with where the pipeline says `auto`.
    threads: Option<usize>,
    optimize: bool,
    other_callbacks: bool,
    /// Whether it goes on from a checkpoint.
    goes_on: bool,
}

impl Task {
    /// Tells the other processes to do `work` with this one, by so many `threads` where the pipeline says `auto`; `run` is the
    /// run's directory.
    ///
    /// # Errors
    /// Where one of them is gone.
    pub fn begin(work: &Work<'_>, threads: Option<usize>, run: &Path) -> Result<()> {
        let Work { pipeline, means, group, files, other_callbacks, .. } = *work;
        if group.is_alone() {
            return Ok(());
        }
        let mut own = pipeline.clone();
        own.report = Default::default();
        own.expect.clear();
        if let (Some(initial), Some(file)) = (&mut own.model.initial_weights, &work.initial_weights) {
            initial.file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        }
        let (optimize, goes_on) = (means.optimize, files.is_some());
        let run = std::path::absolute(run).unwrap_or_else(|_| run.to_owned());
        order(group, &Order::Run(Task { run, pipeline: own.to_yaml(), threads, optimize, other_callbacks, goes_on }))?;
        files.map_or(Ok(()), |files| group.broadcast_bytes(packed(files)).map(|_| ()))
    }
}

/// Calls `lead` in the process that is to lead the pipelines in `files`, with the group of those that follow. In those, does what
/// they are told. Where the pipelines want several processes and nobody has started them, starts them and ends with the exit code
/// of the first.
///
/// # Errors
/// Where pipelines and environment contradict each other, the processes don't come together, or `lead` fails.
pub fn together(
    files: &[PathBuf],
    options: &Options<'_>,
    output: &Output,
    lead: impl FnOnce(&Group) -> Result<Ending>,
) -> Result<Ending> {
    let placement = Placement::read()?;
    let wanted = wanted(files, options.sets)?;
    if let Some(problem) = Placement::half() {
        match wanted {
            Wanted::Several(_) => return Err(Box::new(problem)),
            Wanted::One if !output.quiet => {
                output.tell(&SourceMap::default(), &Diagnostic { severity: Severity::Warning, ..problem });
            }
            Wanted::One | Wanted::Nothing => {}
        }
    }
    let join = |placement, timeout| Group::join(placement, Duration::from_secs(timeout), stop_flag());
    let group = match (placement, wanted) {
        (Some(placement), Wanted::Nothing) if placement.rank > 0 => return Ok(Ending::Invalid),
        (_, Wanted::Nothing) | (None, Wanted::One) => Group::alone(),
        (Some(placement), Wanted::One) if placement.size > 1 => return Err(not_for_several(&placement)),
        (Some(placement), Wanted::One) => join(placement, DataParallel::default().timeout)?,
        (Some(placement), Wanted::Several(pipeline)) => {
            let strategy = pipeline.strategy.data_parallel().cloned().unwrap_or_default();
            hold_to_size(&placement, &strategy)?;
            join(placement, strategy.timeout)?
        }
        (None, Wanted::Several(pipeline)) => {
            let processes = processes(&pipeline);
            let is_sound = || files.iter().any(|file| check::check(file, options).is_sound());
            if processes > 1 && is_sound() {
                launch(processes, output)?;
            }
            Group::alone()
        }
    };
    if !group.is_first() {
        return follow(&group, output);
    }
    let result = lead(&group);
    let ending = result.as_ref().map_or_else(|problem| Ending::of(problem), |ending| *ending);
    let interrupted = ending == Ending::Interrupted;
    if !group.is_broken() && order(&group, &Order::End { interrupted }).is_ok() {
        if interrupted {
            take_over_signal(&group);
        }
        group.leave();
    }
    result
}

/// Where another process was told to stop, this one ends as if it had been told.
fn take_over_signal(group: &Group) {
    if let Some(signal) = group.signal().filter(|_| stopped_by() == 0) {
        count_as_stopped_by(signal);
    }
}

/// How the pipelines want to be run.
enum Wanted {
    /// None of them can be read; it is told when they are run.
    Nothing,
    /// By one process.
    One,
    /// By several, as the first of them says.
    Several(Box<Pipeline>),
}

fn wanted(files: &[PathBuf], sets: &[String]) -> Result<Wanted> {
    let mut first: Option<(&PathBuf, Pipeline)> = None;
    for file in files {
        let Some(sound) = spec::load(file, sets).pipeline else { continue };
        match &first {
            None => first = Some((file, sound.pipeline)),
            Some((other, same)) if same.strategy != sound.pipeline.strategy => {
                let message = format!("{} and {} have different strategies", other.display(), file.display());
                let problem = Diagnostic::error(Code::WORLD_SIZE, message);
                return Err(Box::new(problem.help("run them by a command each: the processes are started once")));
            }
            Some(_) => {}
        }
    }
    Ok(match first {
        None => Wanted::Nothing,
        Some((_, pipeline)) if pipeline.strategy.data_parallel().is_none() => Wanted::One,
        Some((_, pipeline)) => Wanted::Several(Box::new(pipeline)),
    })
}

fn not_for_several(placement: &Placement) -> Box<Diagnostic> {
    let Placement { size, starter, .. } = placement;
    let message = format!("{starter} started {size} processes, and the pipeline is for a single one");
    let problem = Diagnostic::error(Code::WORLD_SIZE, message);
    Box::new(problem.help("`strategy: data_parallel` has them train together; or start one process"))
}

fn hold_to_size(placement: &Placement, strategy: &DataParallel) -> Result<()> {
    match strategy.processes.fixed() {
        Some(wanted) if wanted != placement.size => {
            let Placement { size, starter, .. } = placement;
            let message = format!("{starter} started {size} processes, and the pipeline says `processes: {wanted}`");
            let problem = Diagnostic::error(Code::WORLD_SIZE, message);
            Err(Box::new(problem.help(format!("start {wanted}, or write `processes: auto` to take what there are"))))
        }
        _ => Ok(()),
    }
}

/// How many processes there are where nobody has started them.
pub fn processes(pipeline: &Pipeline) -> usize {
    pipeline.strategy.data_parallel().map_or(1, |strategy| strategy.processes_here(&pipeline.device))
}

/// Starts the processes, waits for their end, and ends as the first of them did.
fn launch(processes: usize, output: &Output) -> Result<()> {
    let launch = Launch::start(processes)?;
    let place_of_run = launch.place_of_run();
    note_run(place_of_run.clone());
    let left = launch.wait(|| i32::try_from(stopped_by()).ok().filter(|signal| *signal != 0));
    let stopped = stopped_by();
    if let Some(failed) = left.failed.as_ref().filter(|_| stopped == 0) {
        if left.code.is_none_or(|code| code == 0) {
            let problem = Diagnostic::error(Code::RANK, format!("rank {} {}", failed.rank, failed.how));
            let problem = failed.facts.iter().fold(problem, Diagnostic::fact);
            let left = place_of_run().and_then(|run| what_is_left(&run));
            output.tell(&SourceMap::default(), &left.into_iter().fold(problem, Diagnostic::help));
        }
        if !failed.said.is_empty() {
            eprintln!("the last that rank {} said:", failed.rank);
            failed.said.lines().for_each(|line| eprintln!("  {line}"));
        }
    }
    let _ = std::io::stdout().flush();
    device::leave(match left.code {
        Some(code) => code as u8,
        None if stopped > 0 => 128 + stopped as u8,
        None => 1,
    })
}

/// Does what the first process says, until there is no more to do.
fn follow(group: &Group, output: &Output) -> Result<Ending> {
    let output = &Output { rank: group.rank(), quiet: true, ..output.clone() };
    let mut run = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        loop {
            match order(group, &Order::End { interrupted: false })? {
                Order::Run(task) => {
                    run = Some(task.run.clone());
                    train(&task, group, output)?;
                }
                Order::End { interrupted } => return Ok(interrupted),
            }
        }
    }));
    let result = result.unwrap_or_else(|_| {
        let message = "the program made a mistake";
        Err(Box::new(Diagnostic::error(Code::COMPUTATION, message)))
    });
    match result {
        Ok(true) => {
            take_over_signal(group);
            group.leave();
            Ok(Ending::Interrupted)
        }
        Ok(false) => {
            group.leave();
            Ok(Ending::Done)
        }
        Err(problem) => {
            group.fail(&problem);
            // What follows from another one's failure, or from the user's wish, the first process tells, where it can.
            if match problem.code {
                Code::RANK => group.blames_first(),
                code => code != Code::INTERRUPTED,
            } {
                let left = run
                    .filter(|_| problem.code == Code::RANK)
                    .map(|run| format!("go on with it: trainyard run --resume {}", run.display()));
                output.tell(&SourceMap::default(), &left.into_iter().fold(*problem, Diagnostic::help));
            }
            Ok(Ending::Failed)
        }
    }
}

/// Gives everybody the first process' order. Who was told to stop meanwhile says so before it waits for the others.
fn order(group: &Group, own: &Order) -> Result<Order> {
    if stopped_by() != 0 {
        group.say_signal(stopped_by());
    }
    // The others may have to wait long: the first one prepares, evaluates and reports alone.
    group.barrier()?;
    let told = group.broadcast_bytes(serde_json::to_vec(own).expect("plain data"))?;
    Ok(serde_json::from_slice(&told).expect("the same program wrote it"))
}

/// Trains with the others.
fn train(task: &Task, group: &Group, output: &Output) -> Result<()> {
    let began = Instant::now();
    let files = match task.goes_on {
        true => Some(unpacked(&group.broadcast_bytes(Vec::new())?)),
        false => None,
    };
    let checked = checked(task, output)?;
    let (Some(sound), Some(plan)) = (&checked.pipeline, &checked.plan) else { return Err(unsound(&checked)) };
    let pipeline = &sound.pipeline;
    let threads = set_up_threads(pipeline, task.threads, group.placement());
    let means = set_up_means(pipeline, task.optimize, group.placement())?;
    let work = Work {
        pipeline,
        plan,
        means,
        threads,
        group,
        start: began,
        files: files.as_ref(),
        initial_weights: check::initial_weights(sound, &checked.sources),
        other_callbacks: task.other_callbacks,
    };
    work.follow(output)
}

/// Checks on this machine what the first process has checked on its own.
fn checked(task: &Task, output: &Output) -> Result<Checked> {
    let directory = tempfile::tempdir().map_err(|error| io_error("make", &std::env::temp_dir(), &error))?;
    let file = directory.path().join("pipeline.yaml");
    std::fs::write(&file, &task.pipeline).map_err(|error| io_error("write", &file, &error))?;
    let checked = output.with_surroundings(None, |surroundings| {
        check::check(&file, &Options { surroundings: Some(surroundings), ..Options::default() })
    });
    if checked.is_sound() { Ok(checked) } else { Err(unsound(&checked)) }
}

/// The first error that a check found, without its place: the file isn't the user's.
fn unsound(checked: &Checked) -> Box<Diagnostic> {
    let found = checked.problems.iter().find(|problem| problem.is_error());
    let problem = found.cloned().unwrap_or_else(|| Diagnostic::error(Code::BAD_DATA, "the data have no known shape"));
    Box::new(Diagnostic { labels: Vec::new(), ..problem })
}

/// Files as bytes: for each its name and what it holds, both behind their length.
fn packed(files: &Files) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in files.iter().flat_map(|(name, content)| [name.as_bytes(), content]) {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    bytes
}

fn unpacked(mut bytes: &[u8]) -> Files {
    let mut part = || {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(part.to_vec())
    };
    std::iter::from_fn(|| Some((String::from_utf8(part()?).ok()?, part()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_packed_and_unpacked() {
        let files: Files =
            [("a".to_owned(), vec![1, 2, 3]), ("empty".to_owned(), Vec::new()), ("z".to_owned(), vec![0; 9])].into();
        assert_eq!(unpacked(&packed(&files)), files);
        assert_eq!(unpacked(&[]), Files::new());
    }
}
