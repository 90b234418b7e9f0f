//! `trainyard runs`

use super::{Ending, context::Output};
use crate::{
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    gate::case_of_expectation,
    report::{figure, index},
    run::{
        RunDirectory, RunInfo, Status, pruning,
        store::{self, Contents, Listed},
        write_atomically,
    },
    text::{Table, bytes},
};
use clap::{ArgGroup, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `trainyard runs WHAT`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard runs list --sort test_accuracy --limit 10")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List runs, the latest first.
    #[command(after_help = "Example:\n  trainyard runs list --name cifar10-cnn --status completed --sort test_loss")]
    List(ListArguments),
    /// Show the essentials of a run.
    #[command(after_help = "Example:\n  trainyard runs show cifar10-cnn")]
    Show {
        /// The run: its directory, or NAME for the latest one of that name.
        run: PathBuf,
    },
    /// Print the directory of the best run by a figure: the one with the least loss, the most of anything else.
    #[command(after_help = "Example:\n  trainyard report $(trainyard runs best --metric test_accuracy)")]
    Best {
        /// The figure: `test_accuracy`, or one of the epoch whose weights were kept, such as `val_loss`.
        #[arg(long, value_name = "FIGURE")]
        metric: String,
        /// Only runs of this name.
        #[arg(long)]
        name: Option<String>,
    },
    /// Say which runs could go, and delete them with `--yes`.
    #[command(
        after_help = "Examples:\n  trainyard runs prune --failed --older-than 7d\n  trainyard runs prune --keep 3 --by \
                      test_accuracy --yes\n\nA run goes where all that is asked holds. One that is at work never goes, nor \
                      does anything that isn't a run."
    )]
    Prune(PruneArguments),
    /// Write `index.html`, a page over all runs; every run renews it when it ends.
    #[command(after_help = "Example:\n  trainyard runs index")]
    Index,
}

#[derive(clap::Args)]
struct ListArguments {
    /// Only runs of this name.
    #[arg(long)]
    name: Option<String>,
    /// Only runs that ended so.
    #[arg(long)]
    status: Option<State>,
    /// Order by `name`, `id`, `status`, `started`, `epochs`, `time` or any figure, the best first.
    #[arg(long, value_name = "KEY", default_value = "started")]
    sort: String,
    /// In the opposite order.
    #[arg(long)]
    reverse: bool,
    /// No more than so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(clap::Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["keep", "failed", "older_than"]))]
struct PruneArguments {
    /// Of each name keep the N latest, or with `--by` the N best.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// The figure that says which are the best.
    #[arg(long, value_name = "FIGURE", requires = "keep")]
    by: Option<String>,
    /// Only runs that failed or were killed.
    #[arg(long)]
    failed: bool,
    /// Only runs that ended longer ago: `12h`, `30d`, `8w`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<SignedDuration>,
    /// Only runs of this name.
    #[arg(long)]
    name: Option<String>,
    /// Delete them.
    #[arg(long)]
    yes: bool,
}

/// How a run ended, as a filter asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Running,
    Completed,
    Interrupted,
    Failed,
    Damaged,
}

/// Hours, days or weeks.
fn age(text: &str) -> Result<SignedDuration, String> {
    let hours = match text.char_indices().last() {
        Some((_, 'h')) => 1,
        Some((_, 'd')) => 24,
        Some((_, 'w')) => 7 * 24,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(number) if hours > 0 => Ok(SignedDuration::from_hours(i64::from(number) * hours)),
        _ => Err("an age is a whole number with `h`, `d` or `w`: `12h`, `30d`, `8w`".to_owned()),
    }
}

/// Lists, shows, chooses or prunes runs.
pub fn runs(arguments: &Arguments, output: &Output) -> Result<Ending> {
    match &arguments.what {
        What::List(arguments) => list(arguments, output),
        What::Show { run } => show(&output.find_run(run)?, output),
        What::Best { metric, name } => best(metric, name.as_deref(), output),
        What::Prune(arguments) => prune(arguments, output),
        What::Index => {
            let path = write_index(&output.runs_directory)?;
            match output.json {
                true => println!("{}", json!({ "index": path.display().to_string() })),
                false => println!("{}", path.display()),
            }
            Ok(Ending::Done)
        }
    }
}

/// Writes the page over all runs under `root`.
pub fn write_index(root: &Path) -> Result<PathBuf> {
    let path = root.join("index.html");
    let page = index::render(root, &store::runs_in(root)?)?;
    write_atomically(&path, page.as_bytes())?;
    Ok(path)
}

/// Renews the page over all runs; where that fails it is told as a warning.
pub fn renew_index(output: &Output) {
    if let Err(problem) = write_index(&output.runs_directory)
        && !output.quiet
    {
        let problem = Diagnostic::warning(problem.code, format!("the page over all runs is as it was: {problem}"));
        output.tell(&SourceMap::default(), &problem);
    }
}

fn state(run: &Listed) -> State {
    match run.contents.as_ref().map(|contents| contents.info.status) {
        Ok(Status::Running) => State::Running,
        Ok(Status::Completed) => State::Completed,
        Ok(Status::Interrupted) => State::Interrupted,
        Ok(Status::Failed) => State::Failed,
        Err(_) => State::Damaged,
    }
}

fn state_name(run: &Listed) -> String {
    format!("{:?}", state(run)).to_lowercase()
}

/// A run as commands take it: `NAME/ID` below the directory of runs.
fn shown_path(run: &Listed, root: &Path) -> String {
    let path = run.directory.path();
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn named<'a>(run: &'a Listed, root: &Path) -> std::borrow::Cow<'a, str> {
    match &run.contents {
        Ok(contents) => contents.info.name.as_str().into(),
        // A damaged one has at least a place.
        Err(_) => {
            let parent = run.directory.path().parent().filter(|parent| *parent != root).and_then(Path::file_name);
            parent.unwrap_or_default().to_string_lossy()
        }
    }
}

fn list(arguments: &ListArguments, output: &Output) -> Result<Ending> {
    let root = &output.runs_directory;
    let all = store::runs_in(root)?;
    let wanted = |run: &&Listed| {
        arguments.name.as_ref().is_none_or(|name| named(run, root) == name.as_str())
            && arguments.status.is_none_or(|wanted| state(run) == wanted)
    };
    let mut runs: Vec<&Listed> = all.iter().filter(wanted).collect();
    let figure = sort(&mut runs, &arguments.sort)?;
    if arguments.reverse {
        runs.reverse();
    }
    runs.sort_by_key(|run| run.contents.is_err());
    runs.truncate(arguments.limit.unwrap_or(usize::MAX));
    if output.json {
        let rows: Vec<Json> = runs.iter().map(|run| entry(run)).collect();
        println!("{}", serde_json::to_string_pretty(&rows).expect("plain data"));
    } else if runs.is_empty() {
        eprintln!("no runs {}in {}", if all.is_empty() { "" } else { "like that " }, root.display());
    } else {
        print!("{}", listing(&runs, figure, root));
    }
    Ok(Ending::Done)
}

fn info(run: &Listed) -> Option<&RunInfo> {
    run.contents.as_ref().ok().map(|contents| &contents.info)
}

/// Orders runs, the latest first so far; gives the key where it is a figure.
fn sort<'a>(runs: &mut [&Listed], key: &'a str) -> Result<Option<&'a str>> {
    match key {
        "started" => {}
        "name" => runs.sort_by_key(|run| info(run).map(|info| &info.name)),
        "id" => runs.sort_by_key(|run| info(run).map(|info| &info.id)),
        "status" => runs.sort_by_cached_key(|run| state_name(run)),
        "epochs" => runs.sort_by_key(|run| Reverse(info(run).map(|info| info.training.epochs_done))),
        // In milliseconds numbers have an order.
        "time" => runs.sort_by_key(|run| Reverse(info(run).map(|info| (info.timings.total * 1000.0) as u64))),
        figure => {
            if !runs.is_empty() && runs.iter().all(|run| run.figure(figure).is_none()) {
                let problem = *store::unknown_figure(figure, runs.iter().copied());
                return Err(Box::new(problem.fact("columns are name, id, status, started, epochs and time")));
            }
            store::rank(runs, figure);
            return Ok(Some(figure));
        }
    }
    Ok(None)
}

fn listing(runs: &[&Listed], figure: Option<&str>, root: &Path) -> String {
    let has = |run: &&Listed, name: &str| {
        let figures = run.contents.as_ref().ok().and_then(|contents| contents.figures.as_ref());
        figures.is_some_and(|figures| figures.metrics.contains_key(name))
    };
    // Of predicted numbers there is no accuracy.
    let error = Some("test_mean_absolute_error").filter(|error| runs.iter().any(|run| has(run, error)));
    let shown = ["test_accuracy"].into_iter().chain(error).chain(["test_loss"]).collect::<Vec<&str>>();
    let more = figure.filter(|figure| !shown.contains(figure));
    let mut headings = ["run", "status", "began", "epochs"].map(str::to_owned).to_vec();
    headings.extend(shown.iter().map(|name| name.replace('_', " ")));
    headings.push("time".to_owned());
    headings.extend(more.map(str::to_owned));
    let mut table = Table::new(&headings, format!("<<<{}", ">".repeat(headings.len() - 3)));
    for run in runs {
        let mut row = vec![shown_path(run, root), state_name(run)];
        match &run.contents {
            Ok(contents) => {
                let info = &contents.info;
                if !missed(info).is_empty() {
                    row[1].push_str(", expectations missed");
                }
                row.push(figure::moment(&info.started));
                row.push(format!("{} of {}", info.training.epochs_done, info.training.epochs));
                row.extend(shown.iter().map(|name| with_interval(contents, name)));
                row.push(if info.timings.total > 0.0 { figure::duration(info.timings.total) } else { String::new() });
                row.extend(more.map(|name| run.figure(name).map_or(String::new(), |value| figure::of(name, value))));
            }
            Err(why) => {
                row.push(why.clone());
                row.resize(headings.len(), String::new());
            }
        }
        table.row(&row);
    }
    table.to_string()
}

/// A figure of the evaluation with its interval, or nothing.
fn with_interval(contents: &Contents, name: &str) -> String {
    let Some(figures) = &contents.figures else { return String::new() };
    let Some(value) = figures.metrics.get(name) else { return String::new() };
    let interval = figures.interval(name).map(|bounds| format!(" ({})", figure::interval_of(name, bounds)));
    format!("{}{}", figure::of(name, *value), interval.unwrap_or_default())
}

/// The figures whose expectations count as missed.
fn missed(info: &RunInfo) -> Vec<&str> {
    info.expectations.iter().filter(|expectation| !expectation.met).map(|missed| missed.figure.as_str()).collect()
}

/// A run for other programs.
fn entry(run: &Listed) -> Json {
    let path = run.directory.path();
    match &run.contents {
        Err(why) => json!({ "run": path.display().to_string(), "status": "damaged", "reason": why }),
        Ok(Contents { info, figures }) => json!({
            "run": path.display().to_string(), "name": info.name, "id": info.id, "status": info.status, "reason": info.reason,
            "started": info.started, "finished": info.finished, "epochs": info.training.epochs_done,
            "best_epoch": info.training.best_epoch, "seconds": info.timings.total, "missed": missed(info),
            "examples": figures.as_ref().map(|figures| figures.examples),
            "metrics": figures.as_ref().map(|figures| &figures.metrics),
            "intervals": figures.as_ref().map(|f| {
                let known = f.metrics.keys().filter_map(|name| Some((name.clone(), f.interval(name)?)));
                known.collect::<BTreeMap<_, _>>()
            }),
        }),
    }
}

fn show(directory: &RunDirectory, output: &Output) -> Result<Ending> {
    let run = Listed::read(directory.clone());
    let contents = match &run.contents {
        Ok(contents) => contents,
        Err(why) => return Err(Box::new(Diagnostic::error(Code::BAD_RUN, why.clone()))),
    };
    let info = &contents.info;
    if output.json {
        let mut all = entry(&run);
        all["data"] = json!(info.data);
        all["expectations"] = json!(info.expectations);
        all["provenance"] = json!(info.provenance);
        all["weights_digest"] = json!(info.weights_digest);
        println!("{}", serde_json::to_string_pretty(&all).expect("plain data"));
        return Ok(Ending::Done);
    }
    let mut table = Table::bare("<<");
    let mut row = |name: &str, value: String| table.row(&[name, &value]);
    row("run", directory.path().display().to_string());
    if !info.description.is_empty() {
        row("about", info.description.trim().to_owned());
    }
    let reason = info.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    row("status", format!("{}{reason}", state_name(&run)));
    row("began", figure::moment(&info.started));
    row("time", figure::duration(info.timings.total));
    let kept = info.training.best_epoch.map(|epoch| format!(", weights of epoch {epoch} kept")).unwrap_or_default();
    row("epochs", format!("{} of {}{kept}", info.training.epochs_done, info.training.epochs));
    if let Some(data) = &info.data {
        let (train, validation, test) =
            (figure::count(data.train), figure::count(data.validation), figure::count(data.test));
        row(
            "data",
            format!(
                "{}: {train} to train, {validation} to validate ({}), {test} to test",
                data.source, data.validation_kind
            ),
        );
    }
    row("parameters", figure::grouped(info.parameters()));
    row("device", format!("{}, {} threads", info.provenance.device, info.provenance.threads));
    if !info.provenance.nondeterministic.is_empty() {
        row("not deterministic", info.provenance.nondeterministic.join("; "));
    }
    row("seed", info.provenance.seed.to_string());
    row("program", format!("trainyard {}, libtorch {}", info.provenance.program(), info.provenance.libtorch));
    if let Some(commit) = &info.provenance.git_commit {
        let branch = info.provenance.git_branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
        row("commit", format!("{commit}{branch}"));
    }
    for name in contents.figures.iter().flat_map(|figures| figures.metrics.keys()).filter(|name| !name.contains('[')) {
        row(&figure::in_words(name), with_interval(contents, name));
    }
    for expectation in &info.expectations {
        row("expected", case_of_expectation(expectation).sentence());
    }
    if !info.warnings.is_empty() {
        row("warnings", format!("{}, told in the report", info.warnings.len()));
    }
    row("report", directory.file("report.html").display().to_string());
    row("size", bytes(pruning::size(directory.path())));
    print!("{table}");
    Ok(Ending::Done)
}

fn best(metric: &str, name: Option<&str>, output: &Output) -> Result<Ending> {
    let root = &output.runs_directory;
    let mut all = store::runs_in(root)?;
    all.retain(|run| {
        run.contents.as_ref().is_ok_and(|c| c.info.status == Status::Completed && name.is_none_or(|n| c.info.name == n))
    });
    if all.is_empty() {
        let which = name.map(|name| format!(" `{name}`")).unwrap_or_default();
        let message = format!("no completed run{which} in {}", root.display());
        return Err(Box::new(Diagnostic::error(Code::BAD_RUN, message)));
    }
    let mut runs: Vec<&Listed> = all.iter().collect();
    store::rank(&mut runs, metric);
    let Some(value) = runs[0].figure(metric) else { return Err(store::unknown_figure(metric, &all)) };
    let path = runs[0].directory.path();
    match output.json {
        true => println!("{}", json!({ "run": path.display().to_string(), "metric": metric, "value": value })),
        false => println!("{}", path.display()),
    }
    Ok(Ending::Done)
}

fn prune(arguments: &PruneArguments, output: &Output) -> Result<Ending> {
    let root = &output.runs_directory;
    let all = store::runs_in(root)?;
    if let Some(figure) = arguments.by.as_ref().filter(|figure| all.iter().all(|run| run.figure(figure).is_none()))
        && !all.is_empty()
    {
        return Err(store::unknown_figure(figure, &all));
    }
    let pruning = pruning::Pruning {
        name: arguments.name.clone(),
        failed: arguments.failed,
        before: arguments.older_than.map(|age| Timestamp::now().saturating_sub(age).unwrap_or(Timestamp::MIN)),
        keep: arguments.keep,
        by: arguments.by.clone(),
    };
    let (mut table, mut rows, mut total, mut ending) = (Table::bare("<<>"), Vec::new(), 0, Ending::Done);
    for run in pruning.choose(&all) {
        let size = pruning::size(run.directory.path());
        if arguments.yes
            && let Err(problem) = pruning::delete(root, &run.directory)
        {
            output.tell(&SourceMap::default(), &problem);
            ending = Ending::Failed;
            continue;
        }
        total += size;
        table.row(&[run.directory.path().display().to_string(), state_name(run), bytes(size)]);
        rows.push(
            json!({ "run": run.directory.path().display().to_string(), "status": state_name(run), "bytes": size }),
        );
    }
    if arguments.yes {
        pruning::delete_orphans(root);
    }
    if arguments.yes && !rows.is_empty() && root.join("index.html").exists() {
        renew_index(output);
    }
    if output.json {
        let all = json!({ "runs": rows, "bytes": total, "deleted": arguments.yes });
        println!("{}", serde_json::to_string_pretty(&all).expect("plain data"));
        return Ok(ending);
    }
    print!("{table}");
    let runs = figure::counted(rows.len(), "run", "runs");
    match (rows.is_empty(), arguments.yes) {
        (true, _) => println!("nothing to delete"),
        (false, true) => println!("deleted: {runs}, {}", bytes(total)),
        (false, false) => println!("would go: {runs}, {}; nothing is deleted without `--yes`", bytes(total)),
    }
    Ok(ending)
}

#[cfg(test)]
mod tests {
    use super::age;
    use jiff::SignedDuration;

    #[test]
    fn ages_are_whole_numbers_with_a_unit() {
        assert_eq!(age("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(age("12h"), Ok(SignedDuration::from_hours(12)));
        assert_eq!(age("2w"), Ok(SignedDuration::from_hours(336)));
        for wrong in ["", "d", "30", "-1d", "1.5d", "30 d", "3m", "99999999999d", "1猫"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
