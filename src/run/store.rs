//! All runs under one directory, `ROOT/NAME/ID`: found, summed up, ordered.
//!
//! Symbolic links below the root are not followed.

use super::{EpochRecord, Figures, RunDirectory, RunInfo, Status, directory::LOCK};
use crate::diagnostic::{Code, Diagnostic, Result, io_error, nearest};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

/// A run as a list of runs shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it is.
    pub directory: RunDirectory,
    /// What it holds, or how it is damaged.
    pub contents: Result<Contents, String>,
}

/// The short records of a run.
#[derive(Clone, Debug)]
pub struct Contents {
    /// `run.json`
    pub info: RunInfo,
    /// The figures of `evaluation.json`, where the run came that far.
    pub figures: Option<Figures>,
}

impl Listed {
    /// Reads the short records of a run.
    pub fn read(directory: RunDirectory) -> Self {
        let read = || Ok(Contents { info: directory.read_info()?, figures: directory.read_figures()? });
        let contents = read().map_err(|problem: Box<Diagnostic>| problem.message.clone());
        Listed { directory, contents }
    }

    /// When it began; `None` where it is damaged.
    pub fn started(&self) -> Option<Timestamp> {
        self.contents.as_ref().ok()?.info.started.parse().ok()
    }

    /// When it ended, or else began.
    pub fn ended(&self) -> Option<Timestamp> {
        let info = &self.contents.as_ref().ok()?.info;
        info.finished.as_ref().and_then(|moment| moment.parse().ok()).or_else(|| self.started())
    }

    /// The figure of that name: one of the evaluation, or else that of the epoch whose weights were kept.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let Contents { info, figures } = self.contents.as_ref().ok()?;
        let tested = figures.as_ref().and_then(|figures| figures.figure(name));
        let value = tested.or_else(|| kept_epoch(info, &self.directory.read_history().ok()?)?.figure(name));
        value.filter(|value| value.is_finite())
    }

    /// The names of all its figures.
    pub fn figure_names(&self) -> BTreeSet<String> {
        let Ok(contents) = &self.contents else { return BTreeSet::new() };
        let tested = contents.figures.iter();
        let tested = tested.flat_map(|figures| figures.metrics.keys().chain(figures.figures.keys()).cloned());
        let history = self.directory.read_history().unwrap_or_default();
        let trained = history.first().into_iter().flat_map(|epoch| epoch.figures.iter().map(|(name, _)| name.clone()));
        tested.chain(trained).collect()
    }

    /// When its directory was made: runs that began within the same second differ in it.
    fn made(&self) -> Option<SystemTime> {
        fs::metadata(self.directory.file(LOCK)).and_then(|lock| lock.modified()).ok()
    }
}

/// The epoch whose weights the run ended with.
pub fn kept_epoch<'a>(info: &RunInfo, history: &'a [EpochRecord]) -> Option<&'a EpochRecord> {
    match info.training.best_epoch {
        Some(best) => history.iter().find(|epoch| epoch.epoch == best),
        None => history.last(),
    }
}

/// Whether a smaller value of the figure is the better one: losses and errors fall, shares rise.
pub fn smaller_is_better(figure: &str) -> bool {
    // A class may be called `loss`.
    let name = figure.split('[').next().unwrap_or_default();
    ["loss", "error", "brier", "ece", "latency", "seconds"].iter().any(|word| {
        let mut parts = name.split(['_', '.']);
        parts.any(|part| part == *word)
    })
}

/// All runs under `root`, the latest first, damaged ones last.
///
/// # Errors
/// Where `root` is there and cannot be read. Where it isn't there, there are no runs.
pub fn runs_in(root: &Path) -> Result<Vec<Listed>> {
    if !root.exists() {
        return Ok(Vec::new());
    }
    let mut runs: Vec<Listed> = Vec::new();
    for child in directories(root).map_err(|error| io_error("read", root, &error))? {
        match run_at(&child) {
            Some(run) => runs.push(run),
            // What cannot be read is no run of this user's.
            None => runs.extend(directories(&child).unwrap_or_default().iter().filter_map(|path| run_at(path))),
        }
    }
    sort_latest_first(&mut runs);
    Ok(runs)
}

fn sort_latest_first(runs: &mut [Listed]) {
    let key = |run: &Listed| (run.started(), run.made(), run.directory.path().to_owned());
    runs.sort_by_cached_key(|run| std::cmp::Reverse(key(run)));
}

/// The directories in `parent`, links to directories left out.
fn directories(parent: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The run in the directory `path`; `None` where no run left anything there.
fn run_at(path: &Path) -> Option<Listed> {
    if let Ok(directory) = RunDirectory::open(path) {
        return Some(Listed::read(directory));
    }
    let directory = RunDirectory::at(path);
    // One that begins this very moment has its lock, and its record soon.
    let left = directory.file(LOCK).is_file() && !directory.is_locked();
    left.then(|| Listed { contents: Err("it holds no `run.json`".to_owned()), directory })
}

/// What stands for the latest run.
pub const LAST: &str = "last";

/// The run that `wanted` names: its directory, that below `root`, the latest one of a name, `NAME` or `NAME/last`, or of all,
/// `last`.
///
/// # Errors
/// Where there is none.
pub fn find(root: &Path, wanted: &Path) -> Result<RunDirectory> {
    let below = root.join(wanted);
    if let Some(run) = [wanted, &below].into_iter().find_map(|path| RunDirectory::open(path).ok()) {
        return Ok(run);
    }
    if wanted == Path::new(LAST) {
        let latest = runs_in(root)?.into_iter().find(|run| run.contents.is_ok());
        return latest.map(|run| run.directory).ok_or_else(|| {
            let problem = Diagnostic::error(Code::BAD_RUN, format!("there are no runs in {}", root.display()));
            Box::new(problem.help("`trainyard run FILE` makes one"))
        });
    }
    let name = if wanted.ends_with(LAST) { wanted.parent().unwrap_or(wanted) } else { wanted };
    let plain = !name.as_os_str().is_empty() && name.components().all(|part| matches!(part, Component::Normal(_)));
    let mut runs = Vec::new();
    if plain {
        for parent in [root.join(name), name.to_owned()] {
            runs.extend(directories(&parent).unwrap_or_default().iter().filter_map(|path| run_at(path)));
        }
    }
    runs.retain(|run| run.contents.is_ok());
    sort_latest_first(&mut runs);
    if let Some(latest) = runs.into_iter().next() {
        return Ok(latest.directory);
    }
    let mut problem = *RunDirectory::open(wanted).expect_err("it was tried");
    let names: Vec<String> = directories(root)
        .unwrap_or_default()
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        // One whose runs are gone is no help.
        .filter(|other| *other != name.to_string_lossy())
        .collect();
    if let Some(near) = nearest(&name.to_string_lossy(), names.iter().map(String::as_str)).filter(|_| plain) {
        problem = problem.help(format!("did you mean `{near}`, for its latest run?"));
    }
    Err(Box::new(problem))
}

/// The runs of that name that came to their end, the latest first.
pub fn completed(root: &Path, name: &str) -> Vec<Listed> {
    let paths = directories(&root.join(name)).unwrap_or_default();
    let mut runs: Vec<Listed> = paths.iter().filter_map(|path| run_at(path)).collect();
    let completed = |it: &Contents| it.info.status == Status::Completed && it.figures.is_some();
    runs.retain(|run| run.contents.as_ref().is_ok_and(completed));
    sort_latest_first(&mut runs);
    runs
}

/// The latest run of the name of `info` that came to its end, began no later and isn't that run itself.
pub fn previous(root: &Path, info: &RunInfo) -> Option<(RunDirectory, Contents)> {
    let now = info.started.parse::<Timestamp>().ok();
    let mut runs = completed(root, &info.name);
    runs.retain(|run| run.contents.as_ref().is_ok_and(|it| it.info.id != info.id) && run.started() <= now);
    let Listed { directory, contents } = runs.into_iter().next()?;
    Some((directory, contents.ok()?))
}

/// Orders runs by a figure, the best first, those without it last; equal ones stay as they are.
pub fn rank(runs: &mut [&Listed], figure: &str) {
    let sign = if smaller_is_better(figure) { 1.0 } else { -1.0 };
    runs.sort_by_cached_key(|run| {
        let value = run.figure(figure).map_or(f64::INFINITY, |value| sign * value);
        Ordered(value)
    });
}

/// A number that is ordered as a whole.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// An error where no run has a figure of that name.
pub fn unknown_figure<'a>(figure: &str, runs: impl IntoIterator<Item = &'a Listed>) -> Box<Diagnostic> {
    let names: BTreeSet<String> =
        runs.into_iter().flat_map(Listed::figure_names).filter(|name| !name.contains('[')).collect();
    let problem = Diagnostic::error(Code::UNKNOWN_FIGURE, format!("no run has a figure `{figure}`"));
    Box::new(match nearest(figure, names.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => problem,
        None => problem.fact(format!("there are: {}", names.into_iter().collect::<Vec<_>>().join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::pruning::{Pruning, delete, size};

    /// A run left in `root/NAME/ID` that began in that hour.
    fn leave(root: &Path, name: &str, id: &str, hour: usize, change: impl FnOnce(&mut Contents)) -> PathBuf {
        let sample = crate::report::sample::sample();
        let metrics = [("test_accuracy".to_owned(), 0.5), ("test_loss".to_owned(), 1.0)].into();
        let mut contents =
            Contents { info: sample.info, figures: Some(Figures { examples: 100, metrics, ..Figures::default() }) };
        (contents.info.name, contents.info.id) = (name.to_owned(), id.to_owned());
        contents.info.started = format!("2026-11-23T{hour:02}:05:12+01:00");
        contents.info.finished = Some(format!("2026-11-23T{hour:02}:55:12+01:00"));
        change(&mut contents);
        let path = root.join(name).join(id);
        fs::create_dir_all(&path).unwrap();
        let directory = RunDirectory::at(&path);
        fs::write(directory.file(LOCK), "").unwrap();
        directory.write_json("run.json", &contents.info).unwrap();
        if let Some(figures) = &contents.figures {
            let mut document = serde_json::to_value(figures).unwrap();
            document["steps"] = serde_json::json!([{ "a_step_of_tomorrow": {} }]);
            directory.write_json("evaluation.json", &document).unwrap();
        }
        directory.write_history(&sample.history).unwrap();
        path
    }

    fn with(accuracy: f64) -> impl FnOnce(&mut Contents) {
        move |contents| {
            contents.figures.as_mut().unwrap().metrics.insert("test_accuracy".into(), accuracy);
        }
    }

    fn failed(contents: &mut Contents) {
        contents.info.status = Status::Failed;
        contents.figures = None;
    }

    fn ids(runs: &[&Listed]) -> Vec<String> {
        let id = |run: &&Listed| run.directory.path().file_name().unwrap().to_string_lossy().into_owned();
        runs.iter().map(id).collect()
    }

    #[test]
    fn runs_are_found_the_latest_first_and_damaged_ones_last() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        leave(root, "a", "one", 8, |_| ());
        leave(root, "b", "two", 10, |_| ());
        leave(root, "a", "three", 9, |_| ());
        let torn = leave(root, "b", "torn", 11, |_| ());
        fs::write(torn.join("run.json"), "{\"format\": 1,").unwrap();
        let worse = leave(root, "b", "worse", 11, |_| ());
        fs::write(worse.join("evaluation.json"), "[]").unwrap();
        let empty = leave(root, "c", "empty", 12, |_| ());
        fs::remove_file(empty.join("run.json")).unwrap();
        fs::create_dir_all(root.join("notes/mine")).unwrap();
        fs::write(root.join("index.html"), "").unwrap();
        let runs = runs_in(root).unwrap();
        let all: Vec<&Listed> = runs.iter().collect();
        assert_eq!(ids(&all[..3]), ["two", "three", "one"]);
        let mut rest = ids(&all[3..]);
        rest.sort();
        assert_eq!(rest, ["empty", "torn", "worse"]);
        assert!(all[3..].iter().all(|run| run.contents.is_err()));
        assert!(runs_in(&root.join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn a_run_is_named_by_its_place_or_its_name() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        let first = leave(root, "net", "first", 8, |_| ());
        let second = leave(root, "net", "second", 9, failed);
        let torn = leave(root, "net", "torn", 10, |_| ());
        fs::write(torn.join("run.json"), "").unwrap();
        let found = |wanted: &str| find(root, Path::new(wanted)).map(|run| run.path().to_owned());
        assert_eq!(found(first.to_str().unwrap()).unwrap(), first);
        assert_eq!(found("net/first").unwrap(), first);
        assert_eq!(found("net").unwrap(), second);
        assert_eq!(found("net/last").unwrap(), second);
        assert_eq!(found("last").unwrap(), second);
        for none in ["other", "net/third", "../net", ".", "", "/"] {
            assert!(found(none).is_err(), "{none}");
        }
        assert_eq!(found("nett").unwrap_err().help.last().unwrap(), "did you mean `net`, for its latest run?");
    }

    #[test]
    fn the_run_before_is_the_latest_one_of_its_name_that_came_to_its_end() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        let info = |id: &str, hour: usize| {
            let mut info = crate::report::sample::sample().info;
            (info.name, info.id) = ("net".to_owned(), id.to_owned());
            info.started = format!("2026-11-23T{hour:02}:30:00+01:00");
            info
        };
        assert!(previous(root, &info("mine", 12)).is_none());
        leave(root, "net", "first", 8, |_| ());
        leave(root, "net", "second", 9, |_| ());
        leave(root, "net", "broken", 10, failed);
        leave(root, "other", "third", 11, |_| ());
        leave(root, "net", "mine", 12, |_| ());
        leave(root, "net", "later", 13, |_| ());
        let found = |hour| previous(root, &info("mine", hour)).map(|(_, contents)| contents.info.id);
        assert_eq!(found(12).as_deref(), Some("second"));
        assert_eq!(found(8).as_deref(), Some("first"));
        assert_eq!(found(7), None);
    }

    #[test]
    fn what_goes_is_what_all_conditions_say_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        leave(root, "a", "one", 1, with(0.9));
        leave(root, "a", "two", 2, failed);
        leave(root, "a", "three", 3, with(0.7));
        leave(root, "b", "four", 4, with(0.6));
        leave(root, "b", "five", 5, failed);
        let busy = leave(root, "b", "six", 6, |contents| contents.info.status = Status::Running);
        let lock = fs::File::open(busy.join(LOCK)).unwrap();
        lock.lock().unwrap();
        let torn = leave(root, "b", "torn", 7, failed);
        fs::write(torn.join("run.json"), "").unwrap();
        let runs = runs_in(root).unwrap();
        let goes = |pruning: Pruning| ids(&pruning.choose(&runs));
        let none = Pruning::default();
        assert_eq!(goes(none.clone()), [""; 0]);
        assert_eq!(goes(Pruning { name: Some("a".into()), ..none.clone() }), [""; 0]);
        assert_eq!(goes(Pruning { failed: true, ..none.clone() }), ["five", "two"]);
        assert_eq!(goes(Pruning { keep: Some(1), ..none.clone() }), ["four", "two", "one"]);
        let best = Pruning { keep: Some(1), by: Some("test_accuracy".into()), ..none.clone() };
        assert_eq!(goes(best), ["five", "three", "two"]);
        let before = Some("2026-11-23T02:56:00+01:00".parse().unwrap());
        assert_eq!(goes(Pruning { before, ..none.clone() }), ["two", "one"]);
        assert_eq!(goes(Pruning { before, failed: true, ..none.clone() }), ["two"]);
        assert_eq!(goes(Pruning { name: Some("b".into()), keep: Some(0), ..none }), ["five", "four"]);
    }

    #[test]
    fn only_a_run_that_nobody_works_on_is_deleted() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("runs");
        let path = leave(&root, "a", "one", 1, |_| ());
        let outside = leave(&home.path().join("elsewhere"), "a", "one", 1, |_| ());
        let open = |path: &Path| RunDirectory::at(path);
        let lock = fs::File::open(path.join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(delete(&root, &open(&path)).unwrap_err().message.contains("a process is at work in it"));
        drop(lock);
        assert!(delete(&root, &open(&outside)).unwrap_err().message.contains("it lies outside of"));
        assert!(delete(&root, &open(&root)).is_err());
        assert!(delete(&root, &open(&root.join("a"))).unwrap_err().message.contains("it is no run"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&outside, root.join("a/link")).unwrap();
            assert!(delete(&root, &open(&root.join("a/link"))).unwrap_err().message.contains("it is no directory"));
            std::os::unix::fs::symlink(&outside, path.join("link")).unwrap();
            std::os::unix::fs::symlink(&outside, path.join("checkpoint")).unwrap();
            assert_eq!(runs_in(&root).unwrap().len(), 1, "links aren't followed");
        }
        fs::create_dir(path.join("more")).unwrap();
        fs::write(path.join("more/file"), "four").unwrap();
        let before = size(&path);
        fs::write(path.join("more/file"), "fourteen").unwrap();
        assert_eq!(size(&path), before + 4);
        delete(&root, &open(&path)).unwrap();
        assert!(!path.exists());
        assert!(outside.join("run.json").is_file(), "what a link leads to stays");
        assert!(size(&outside) > 0);
    }

    #[test]
    fn losses_fall_and_shares_rise() {
        for figure in ["loss", "val_loss", "test_loss", "test_brier", "test_ece", "test_error"] {
            assert!(smaller_is_better(figure), "{figure}");
        }
        for figure in ["test_accuracy", "test_f1", "test_recall[lossy]", "test_top_5_accuracy", "test_precision"] {
            assert!(!smaller_is_better(figure), "{figure}");
        }
    }

    #[test]
    fn runs_are_ranked_by_any_figure_the_best_first() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        leave(root, "a", "good", 1, with(0.9));
        leave(root, "a", "none", 2, failed);
        leave(root, "a", "bad", 3, with(0.2));
        let runs = runs_in(root).unwrap();
        let mut all: Vec<&Listed> = runs.iter().collect();
        rank(&mut all, "test_accuracy");
        assert_eq!(ids(&all), ["good", "bad", "none"]);
        // The weights kept are those of epoch 9.
        let value = runs[0].figure("val_loss").unwrap();
        assert!((value - (0.84 + 0.55 / 9.0)).abs() < 1e-9, "{value}");
        assert!(unknown_figure("test_acuracy", &runs).help[0].contains("`test_accuracy`"));
    }
}
