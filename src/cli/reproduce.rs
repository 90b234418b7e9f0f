//! `trainyard reproduce`, and what `run --locked` shares with it.

use super::{
    Ending, LintArguments,
    context::{Output, stop_flag},
    lock::{Read, read_run},
    opening::{data_info, open_data, splits},
    outcome::OutcomeArguments,
    report::write_report,
    run::{Prepared, execute, prepare, together},
};
use crate::{
    check::Options,
    device,
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    distributed::{Group, Placement},
    gate::{Case, Outcome, Suite},
    lockfile::{Compared, Data, Divergence, Lock, Tier, Verdict, surroundings, verdict},
    model::{Means, pass_names},
    progress::figure,
    run::{Figures, Reproduction, Status},
    strategy::Count,
};
use std::path::{Path, PathBuf};

/// `trainyard reproduce FILE`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  trainyard reproduce pipelines/digits.yaml\n  trainyard reproduce \
                        runs/digits/20261123-230512-7f3a\n\nExit code 3 where it doesn't hold.")]
pub struct Arguments {
    /// A pipeline with a lock beside it; or a run, by its directory or by NAME, which then stands for its lock.
    wanted: PathBuf,
    /// The lock, where it doesn't lie beside the pipeline.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Override a value, to see what the lock says of it.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    lints: LintArguments,
    #[command(flatten)]
    outcome: OutcomeArguments,
}

/// Checks the inputs, runs, and compares.
pub fn reproduce(arguments: &Arguments, output: &Output) -> Result<Ending> {
    stop_flag();
    let found = find(arguments, output).inspect_err(|problem| tell_refused(arguments, problem, output))?;
    let options = Options { sets: &arguments.set, ..arguments.lints.options() };
    let file = found.file.clone();
    together(&[file], &options, output, |group| reproduce_found(found, arguments, group, output))
}

fn reproduce_found(found: Found, arguments: &Arguments, group: &Group, output: &Output) -> Result<Ending> {
    let Found { lock, file, place, own } = found;
    // What stands beside a run's own pipeline is no lock of it.
    let runs = (file == arguments.wanted).then_some(&*output.runs_directory);
    let options = Options { sets: &arguments.set, runs, ..arguments.lints.options() };
    let mut prepared = match prepare(&file, &options, output) {
        Ok(prepared) => prepared,
        Err(suite) => {
            arguments.outcome.tell(&[suite], output)?;
            return Ok(Ending::Invalid);
        }
    };
    prepared.file = own;
    hold_to(&lock, &place, &mut prepared, output).inspect_err(|problem| tell_refused(arguments, problem, output))?;
    let others = other_surroundings(&lock, &prepared, group.placement())?;
    let promised = if others.is_empty() { Tier::Bits } else { Tier::Tolerance };
    if !output.quiet {
        match promised {
            Tier::Bits => eprintln!("the inputs are those of {place}; every bit is promised"),
            Tier::Tolerance => {
                eprintln!("the inputs are those of {place}; not every bit is promised, for there differ");
                others.iter().for_each(|line| eprintln!("  {line}"));
            }
        }
    }
    let mut finished = execute(prepared, group, output)?;
    let Some((directory, info)) = finished.run.as_mut().filter(|(_, info)| info.status == Status::Completed) else {
        arguments.outcome.tell(&[finished.suite], output)?;
        return Ok(finished.ending);
    };
    let figures = directory.read_figures()?.unwrap_or_default();
    let (losses, history) = (directory.read_losses()?, directory.read_history()?);
    let judged = verdict(&lock, promised, info.weights_digest.as_deref(), &losses, &history, &figures);
    let reproduction = told(&judged, &lock, &place, &figures);
    info.reproduction = Some(reproduction.clone());
    directory.write_json("run.json", info)?;
    write_report(directory)?;
    match output.json {
        true => {
            let mut result = finished.json(&arguments.wanted);
            result["reproduction"] = serde_json::to_value(&judged).expect("plain data");
            println!("{}", serde_json::to_string_pretty(&result).expect("plain data"));
        }
        false => {
            println!("{}", reproduction.said);
            reproduction.details.iter().for_each(|line| println!("  {line}"));
        }
    }
    let outcome = if judged.holds { Outcome::Passed } else { Outcome::Failed };
    let said = [&[reproduction.said][..], &reproduction.details].concat().join("; ");
    let place = Some((file.clone(), 1, 1));
    finished.suite.cases.push(Case { said, place, ..Case::new("gives again what the lock says", outcome) });
    arguments.outcome.tell(&[finished.suite], output)?;
    Ok(match judged.holds {
        true => finished.ending,
        false => Ending::NotMet,
    })
}

/// Tells CI why nothing was run.
fn tell_refused(arguments: &Arguments, problem: &Diagnostic, output: &Output) {
    let suite = Suite::of_problems(&arguments.wanted, &SourceMap::default(), [problem]);
    if let Err(problem) = arguments.outcome.tell(&[suite], output) {
        output.tell(&SourceMap::default(), &problem);
    }
}

/// What is to be reproduced.
struct Found {
    lock: Lock,
    /// The pipeline to run.
    file: PathBuf,
    /// What the lock is called.
    place: String,
    /// The user's own file, which may be another than that which is run.
    own: PathBuf,
}

fn find(arguments: &Arguments, output: &Output) -> Result<Found> {
    let wanted = &arguments.wanted;
    if let Some(path) = &arguments.lock {
        let lock = Lock::read(path)?;
        return Ok(Found { lock, file: wanted.clone(), place: path.display().to_string(), own: wanted.clone() });
    }
    if !wanted.is_file()
        && let Ok(directory) = output.find_run(wanted)
    {
        let Read { lock, file: own, .. } = read_run(&directory)?;
        let place = directory.path().display().to_string();
        return Ok(Found { lock, file: directory.file("resolved.yaml"), place, own });
    }
    let path = Lock::beside(wanted);
    let lock = Lock::read(&path)?;
    Ok(Found { lock, file: wanted.clone(), place: path.display().to_string(), own: wanted.clone() })
}

/// Reads the lock beside the pipeline and refuses other inputs than it says; for `run --locked`.
///
/// # Errors
/// Where there is no sound lock, or the inputs are other ones.
pub fn hold_to_lock(file: &Path, prepared: &mut Prepared, output: &Output) -> Result<()> {
    let path = Lock::beside(file);
    hold_to(&Lock::read(&path)?, &path.display().to_string(), prepared, output)
}

/// Refuses other inputs than a lock says, and takes over its number of threads.
fn hold_to(lock: &Lock, place: &str, prepared: &mut Prepared, output: &Output) -> Result<()> {
    let Some(pipeline) = prepared.pipeline().cloned() else { return Ok(()) };
    let mut drift = lock.drift(&pipeline);
    if drift.is_empty() {
        let (dataset, skipped) = output.with_surroundings(None, |around| open_data(&pipeline, around))?;
        let divided = splits(&pipeline, &dataset);
        let now = data_info(&pipeline, &dataset, &divided, prepared.initial_weights().as_deref())?;
        drift = lock.drift_of_data(&Data::of(&now));
        prepared.opened = Some((dataset, skipped));
    }
    if !drift.is_empty() {
        let problem = Diagnostic::error(Code::LOCK_DRIFT, format!("what goes into the run isn't what {place} says"));
        let problem = drift.into_iter().fold(problem, Diagnostic::fact);
        return Err(Box::new(problem.help("take that back, or run it and lock that run where it is meant")));
    }
    prepared.optimize = !lock.surroundings.passes.is_empty();
    if pipeline.threads == Count::Auto {
        prepared.threads = Some(lock.surroundings.threads);
    }
    Ok(())
}

/// What of the surroundings is other than in the lock.
fn other_surroundings(lock: &Lock, prepared: &Prepared, placement: &Placement) -> Result<Vec<String>> {
    let Some(pipeline) = prepared.pipeline() else { return Ok(Vec::new()) };
    let opened = device::open(&pipeline.device)?;
    let device = device::name(opened);
    let threads = pipeline.strategy.threads(pipeline.threads, prepared.threads, placement);
    let passes = pass_names(&Means::of(pipeline, opened, prepared.optimize));
    let mut others = lock.surroundings.differing(&surroundings(&device, threads, placement.size, passes));
    others.extend(
        device::nondeterministic(opened, pipeline.deterministic).iter().map(|what| format!("{device}: {what}")),
    );
    Ok(others)
}

/// The verdict in words.
fn told(judged: &Verdict, lock: &Lock, place: &str, figures: &Figures) -> Reproduction {
    let mut details = Vec::new();
    match judged.divergence {
        Some(Divergence::Step(step, locked, now)) => {
            let relative = f64::from((now - locked).abs() / locked.abs().max(f32::MIN_POSITIVE));
            details.push(format!(
                "the first step that diverged is step {step}: a loss of {now} instead of {locked} ({relative:.1e} of it)"
            ));
        }
        Some(Divergence::Epoch(epoch)) => {
            let steps = lock.steps.len();
            details
                .push(format!("the first {steps} steps are the same; the first epoch that diverged is epoch {epoch}"));
        }
        Some(Divergence::Length(locked, now)) => details.push(format!("there were {now} steps instead of {locked}")),
        None if !judged.bit_equal && judged.figures.is_empty() => {
            details.push("losses and figures are the same, the weights are not".to_owned());
        }
        None => {}
    }
    let of_classes = judged.figures.keys().filter(|name| name.contains('[')).count();
    for (name, compared) in judged.figures.iter().filter(|(name, _)| !name.contains('[')) {
        details.push(format!("{name}: {}", in_words(name, *compared, judged.promised)));
    }
    if of_classes > 0 {
        details.push(format!("{of_classes} figures of single classes differ, too"));
    }
    let same = lock.metrics.keys().filter(|name| figures.figure(name).is_some()).count();
    let said = match (judged.bit_equal, judged.holds, judged.promised) {
        (true, ..) => format!("reproduced bit for bit: {} steps, {same} figures, the weights", lock.all_steps),
        (false, true, _) => format!("reproduced within the tolerances of {} seeds", lock.seeds.len()),
        (false, false, Tier::Bits) => "NOT REPRODUCED, though every bit is promised here".to_owned(),
        (false, false, Tier::Tolerance) if lock.tolerances.is_empty() => {
            details.push("run it with `--seeds 3` where it was locked, and lock again".to_owned());
            "NOT REPRODUCED bit for bit, and the lock holds no tolerances to judge by".to_owned()
        }
        (false, false, Tier::Tolerance) => {
            format!("NOT REPRODUCED within the tolerances of {} seeds", lock.seeds.len())
        }
    };
    let bits_promised = judged.promised == Tier::Bits;
    Reproduction { lock: place.to_owned(), holds: judged.holds, bits_promised, said, details }
}

/// How far a figure is off; of a figure that may not be off at all, only what it is.
fn in_words(name: &str, compared: Compared, promised: Tier) -> String {
    let Compared { locked, now, tolerance } = compared;
    let Some(now) = now else { return format!("not produced, {} in the lock", figure(name, locked)) };
    let off = (now - locked).abs();
    let of = format!("{} instead of {}, off by {off:.1e}", figure(name, now), figure(name, locked));
    match tolerance.filter(|_| promised == Tier::Tolerance) {
        Some(tolerance) => format!("{of} of at most {tolerance}"),
        None => of,
    }
}
