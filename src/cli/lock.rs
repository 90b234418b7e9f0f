//! `trainyard lock`

use super::{
    Ending,
    context::{Output, resolved_pipeline},
};
use crate::{
    diagnostic::{Code, Diagnostic, Result},
    lockfile::{LEAST_SEEDS, Lock, Source, differing},
    run::{
        RunDirectory, Status,
        store::{self, Contents, Listed},
    },
    spec::{self, contract},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `trainyard lock RUN`
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  trainyard run pipelines/digits.yaml --seeds 5\n  trainyard lock digits\n  git add \
                        pipelines/digits.lock\n\nOn another machine the figures may be off by what other seeds bring about: this is \
                        measured where there are complete runs of the same pipeline with at least two other seeds."
)]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
    /// Where to write the lock; where it isn't given, beside the pipeline, `NAME.lock`.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a lock is made of, read from a run's directory.
pub struct Read {
    pub lock: Lock,
    /// The pipeline's file, as the run named it.
    pub file: PathBuf,
}

/// Reads a run and makes its lock, without tolerances.
///
/// # Errors
/// Where it isn't complete, or its directory isn't what a run writes.
pub fn read_run(directory: &RunDirectory) -> Result<Read> {
    let info = directory.read_info()?;
    let pipeline = resolved_pipeline(directory, &[])?;
    let changed: Vec<&String> = info.resumed.iter().flat_map(|again| &again.changes).collect();
    if changed.iter().any(|change| contract::breaks_off(change)) {
        let message = format!("{} was resumed with another training: it could never be reproduced", info.id);
        let problem =
            changed.iter().fold(Diagnostic::error(Code::BAD_LOCK, message), |it, change| it.fact(change.as_str()));
        return Err(Box::new(problem.help("run the pipeline as it is from the beginning")));
    }
    let figures = directory.read_figures()?.filter(|_| info.status == Status::Completed).ok_or_else(|| {
        let problem = Diagnostic::error(Code::BAD_RUN, format!("{} isn't complete", directory.path().display()));
        Box::new(problem.help("only a run that came to its end can be reproduced"))
    })?;
    let (history, losses) = (directory.read_history()?, directory.read_losses()?);
    let source = Source { info: &info, pipeline: &pipeline, history: &history, figures: &figures, losses: &losses };
    let lock = Lock::of(&source)?;
    Ok(Read { lock, file: PathBuf::from(&info.provenance.pipeline_file) })
}

/// Writes the lock of a run.
pub fn lock(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let directory = latest_complete(&arguments.run, output)?;
    let Read { mut lock, file } = read_run(&directory)?;
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => {
            hold_to_file(&file, &lock)?;
            Lock::beside(&file)
        }
    };
    lock.measure(&other_seeds(&lock, output)?);
    lock.write(&path)?;
    if output.json {
        println!(
            "{}",
            serde_json::json!({ "lock": path.display().to_string(), "run": directory.path().display().to_string(), "seeds": lock.seeds })
        );
        return Ok(Ending::Done);
    }
    println!("{}", path.display());
    if !output.quiet {
        match lock.seeds.len() {
            0 => eprintln!(
                "no tolerances were measured, so that only such a machine can reproduce it: `trainyard run {} --seeds \
                 {LEAST_SEEDS}`, then lock again",
                file.display()
            ),
            seeds => eprintln!("tolerances measured from {seeds} runs with different seeds"),
        }
    }
    Ok(Ending::Done)
}

/// The run that is named; by a name alone, the latest complete one whose seed is the pipeline's own.
fn latest_complete(wanted: &Path, output: &Output) -> Result<RunDirectory> {
    let found = output.find_run(wanted)?;
    let named = found.path() == wanted || output.runs_directory.join(wanted) == found.path();
    let name = found.path().parent().filter(|_| !named);
    let Some(parent) = name else { return Ok(found) };
    let own_seed = |run: &Listed| {
        let Ok(Contents { info, .. }) = &run.contents else { return false };
        let file = spec::load(Path::new(&info.provenance.pipeline_file), &[]).pipeline;
        info.status == Status::Completed
            && run.directory.path().parent() == Some(parent)
            && file.is_none_or(|sound| sound.pipeline.seed == info.provenance.seed)
    };
    let all = store::runs_in(&output.runs_directory)?;
    Ok(all.into_iter().find(own_seed).map_or(found, |run| run.directory))
}

/// Refuses a lock beside a pipeline that says something else by now.
fn hold_to_file(file: &Path, lock: &Lock) -> Result<()> {
    let anywhere = "name a file with `--output`";
    let Some(now) = spec::load(file, &[]).pipeline else {
        let problem =
            Diagnostic::error(Code::BAD_LOCK, format!("{} isn't there any more, or isn't sound", file.display()));
        return Err(Box::new(problem.help(anywhere)));
    };
    let found = lock.drift(&now.pipeline);
    if found.is_empty() {
        return Ok(());
    }
    let message = format!("{} isn't what was run: it could never be reproduced", file.display());
    let problem = found.into_iter().fold(Diagnostic::error(Code::BAD_LOCK, message), Diagnostic::fact);
    Err(Box::new(problem.help(format!("run it as it is, or {anywhere}"))))
}

/// The figures of complete runs that differ in nothing but their seed, the latest of each.
fn other_seeds(lock: &Lock, output: &Output) -> Result<Vec<(u64, BTreeMap<String, f64>)>> {
    let mut found: BTreeMap<u64, BTreeMap<String, f64>> = BTreeMap::new();
    for run in store::runs_in(&output.runs_directory)? {
        let Ok(Contents { info, figures: Some(figures) }) = run.contents else { continue };
        let seed = info.provenance.seed;
        let same = info.status == Status::Completed
            && info.name == lock.name
            && seed != lock.seed
            && !found.contains_key(&seed)
            && info.data.as_ref().is_some_and(|data| {
                data.digest == lock.data.digest && data.initial_weights == lock.data.initial_weights
            })
            && info.provenance.version == lock.surroundings.version;
        if same
            && resolved_pipeline(&run.directory, &[]).is_ok_and(|other| differing(&lock.pipeline, &other).is_empty())
        {
            let all = figures.metrics.into_iter().chain(figures.figures);
            found.insert(seed, all.filter(|(_, value)| value.is_finite()).collect());
        }
    }
    Ok(found.into_iter().collect())
}
