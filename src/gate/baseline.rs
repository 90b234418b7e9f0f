//! What figures are measured against: a lock file, or an earlier run.

use crate::{
    diagnostic::{Code, Diagnostic, Result, nearest},
    lockfile::Lock,
    run::{Baseline, store},
    spec::{Against, Expectation, Inconclusive, Pipeline},
};
use std::path::Path;

/// What `figure` of the pipeline in `file` is measured against; runs are looked for below `runs`. Nothing where it is
/// measured against nothing, or where that isn't there and needn't be.
///
/// # Errors
/// Where the lock or the run isn't there, is damaged, or doesn't have the figure.
pub fn baseline(
    figure: &str,
    expectation: &Expectation,
    pipeline: &Pipeline,
    file: &Path,
    runs: &Path,
) -> Result<Option<Baseline>> {
    if expectation.max_drop.is_none() {
        return Ok(None);
    }
    let first_may_pass = expectation.inconclusive == Inconclusive::Pass;
    let absent = |message: String| Box::new(Diagnostic::error(Code::NO_BASELINE, message));
    let first = "`inconclusive: pass` lets a first run pass, which has nothing to be measured against";
    match expectation.against() {
        Against::Lock => {
            let path = Lock::beside(file);
            if !path.exists() {
                let problem = absent(format!("there is no {} to measure against", path.display()));
                let problem =
                    problem.help("`trainyard lock RUN` writes it, of a run whose figures are good").help(first);
                return if first_may_pass { Ok(None) } else { Err(Box::new(problem)) };
            }
            let metrics = Lock::read(&path)?.metrics;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(value) = metrics.get(figure).copied() else {
                let names: Vec<&str> = metrics.keys().map(String::as_str).collect();
                return Err(Box::new(without(figure, &path.display().to_string(), &names)));
            };
            Ok(Some(Baseline { name, value }))
        }
        Against::Previous => match store::completed(runs, &pipeline.name).into_iter().next() {
            Some(run) => of_run(figure, &run).map(Some),
            None if first_may_pass => Ok(None),
            None => {
                let message = format!("no run of `{}` in {} has come to its end", pipeline.name, runs.display());
                Err(Box::new(absent(message).help(first)))
            }
        },
        Against::Run(wanted) => {
            let directory = store::find(runs, &wanted)?;
            of_run(figure, &store::Listed::read(directory)).map(Some)
        }
    }
}

/// The figure of a run.
fn of_run(figure: &str, run: &store::Listed) -> Result<Baseline> {
    let contents = match &run.contents {
        Ok(contents) => contents,
        Err(why) => return Err(Box::new(Diagnostic::error(Code::BAD_RUN, why.clone()))),
    };
    match run.figure(figure) {
        Some(value) => Ok(Baseline { name: format!("{}/{}", contents.info.name, contents.info.id), value }),
        None => {
            let names = run.figure_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(Box::new(without(figure, &run.directory.path().display().to_string(), &names)))
        }
    }
}

/// The complaint that a lock or a run has no such figure.
fn without(figure: &str, place: &str, names: &[&str]) -> Diagnostic {
    let problem = Diagnostic::error(Code::NO_BASELINE, format!("{place} has no figure `{figure}`"));
    let plain: Vec<&str> = names.iter().copied().filter(|name| !name.contains('[')).collect();
    match nearest(figure, names.iter().copied()) {
        _ if plain.is_empty() => problem,
        Some(near) => problem.fact(format!("it has `{near}`")),
        None => problem.fact(format!("it has {}", plain.join(", "))),
    }
}
