//! `trainyard run`

mod carrier;
mod execution;
mod finished;
mod preflight;
mod prepared;
mod ranks;
mod recorder;
mod restart;
mod resume;
mod reuse;
mod seeds;
mod several;
mod start;
mod work;

pub use carrier::expected as expected_carrier;
pub use execution::execute;
pub use prepared::{Prepared, prepare};
pub use ranks::{processes, together};
pub use work::{Beginning, build};

use super::{
    Ending, LintArguments,
    context::{Output, stop_flag},
    outcome::OutcomeArguments,
    reproduce::hold_to_lock,
};
use crate::{
    check::Options,
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    distributed::Group,
    gate::Suite,
};
use finished::Finished;
use several::Entry;
use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

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

/// Checks, trains, evaluates, reports.
pub fn run(arguments: &Arguments, output: &Output) -> Result<Ending> {
    stop_flag();
    let options = Options { sets: &arguments.set, ..arguments.lints.options() };
    let Some(run) = &arguments.resume else {
        return together(&arguments.files, &options, output, |group| run_all(arguments, group, output));
    };
    let own = || Some(output.find_run(run).ok()?.file("resolved.yaml"));
    let file = arguments.files.first().cloned().or_else(own);
    let (keys, codes) = resume::keys_and_codes(&arguments.lints.allow);
    let options = Options { allow: &codes, ..options };
    together(file.as_slice(), &options, output, |group| resume_one(run, arguments, (&keys, &codes), group, output))
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
        resume::hold_to_keys(codes).and_then(|()| {
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
            finished.conclude(output);
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
