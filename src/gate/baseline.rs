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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn lock(text: impl AsRef<[u8]>) -> Result<BTreeMap<String, f64>> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("digits.lock");
        fs::write(&path, text).unwrap();
        let said = locked_metrics(&path);
        said.map_err(|mut problem| {
            problem.message = problem.message.replace(&format!("{}/", home.path().display()), "");
            problem
        })
    }

    #[test]
    fn a_lock_lies_beside_the_pipeline() {
        assert_eq!(lock_path(Path::new("a/digits.yaml")), Path::new("a/digits.lock"));
        assert_eq!(lock_path(Path::new("net.v2.yml")), Path::new("net.v2.lock"));
        assert_eq!(lock_path(Path::new("net")), Path::new("net.lock"));
    }

    #[test]
    fn the_metrics_of_a_lock_are_read_and_nothing_else_of_it() {
        let text = r#"{"format": 1, "metrics": {"test_accuracy": 0.9, "test_loss": null}, "more": [{}]}"#;
        assert_eq!(lock(text).unwrap(), [("test_accuracy".to_owned(), 0.9)].into());
    }

    #[test]
    fn a_damaged_lock_is_complained_of() {
        let deep = "[".repeat(100_000);
        for (text, why) in [
            ("", "is damaged at line 1"),
            ("{\n\"metrics\": {\"a\": \"b\"}}", "is damaged at line 2"),
            ("{\"metrics\": {\"a\": 1e999}}", "is damaged at line 1"),
            ("{}", "is damaged at line 1"),
            ("[]", "is damaged at line 1"),
            (deep.as_str(), "is damaged at line 1"),
        ] {
            assert_eq!(lock(text).unwrap_err().message, format!("digits.lock {why}"), "{text:.40}");
        }
        assert_eq!(lock([0xff, 0xfe]).unwrap_err().message, "digits.lock isn't text");
        assert_eq!(lock(" ".repeat((1 << 20) + 1)).unwrap_err().message, "digits.lock is larger than 1 MiB");
        let home = tempfile::tempdir().unwrap();
        assert!(locked_metrics(home.path()).unwrap_err().message.ends_with("is no file"));
        assert!(locked_metrics(&home.path().join("none")).is_err());
    }
}
