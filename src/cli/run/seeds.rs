//! A pipeline run with several seeds, one behind the other.

use super::{finished::Finished, several::Entry};
use crate::{
    cli::{
        Ending,
        context::{Output, stop_flag},
        outcome::print_expectations,
    },
    diagnostic::{Result, io_error},
    gate::{Case, Suite, case_of_expectation, judge},
    progress::{figure, figures_line},
    report::{comparison::Compared, seeds},
    run::{
        Baseline, EvaluationRecord, ExpectationResult, RunDirectory, SEEDS, SeedRun, Seeds, Spread, Status, store,
        write_atomically,
    },
    spec::{self, Pipeline},
    text::Table,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// What the runs of a group share.
#[derive(Default)]
pub struct Group {
    /// The name of its directory.
    pub id: String,
    /// What the first of them was measured against, and the others are, too: not one of their own.
    pub baselines: Option<BTreeMap<String, Baseline>>,
}

/// Runs the pipeline in `file` with `count` seeds from its own on; `one` runs it with more overrides, as a member of the group of
/// that name.
///
/// # Errors
/// Where there can be no run at all, or the page over them cannot be written.
pub fn run(
    file: &Path,
    count: u32,
    sets: &[String],
    output: &Output,
    one: impl Fn(&[String], &Group) -> Result<Finished>,
) -> Result<Entry> {
    let Some(sound) = spec::load(file, sets).pipeline else {
        // What is wrong is told by the run itself.
        return Ok(Entry::of(file, &one(sets, &Group::default())?));
    };
    let pipeline = sound.pipeline;
    let parent = output.runs_directory.join(&pipeline.name);
    fs::create_dir_all(&parent).map_err(|error| io_error("make the directory", &parent, &error))?;
    let stamp = jiff::ZonedDateTime::now().strftime("seeds-%Y%m%d-%H%M%S-").to_string();
    let directory = tempfile::Builder::new()
        .prefix(&stamp)
        .rand_bytes(4)
        .tempdir_in(&parent)
        .map_err(|error| io_error("make a directory in", &parent, &error))?;
    let id = directory.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut group = Group { id: id.clone(), baselines: None };
    let mut places = BTreeMap::new();
    let (mut runs, mut directories, mut cases, mut worst) = (Vec::new(), Vec::new(), Vec::new(), Ending::Done);
    for turn in 0..u64::from(count) {
        if stop_flag().load(Ordering::Relaxed) {
            break;
        }
        let seed = pipeline.seed + turn;
        if !output.quiet {
            eprintln!("seed {seed}, {} of {count}", turn + 1);
        }
        let mut with_seed = sets.to_vec();
        with_seed.push(format!("seed={seed}"));
        let finished = one(&with_seed, &group)?;
        // Whether expectations are met is judged by the means.
        if finished.ending != Ending::NotMet {
            worst = worst.max(finished.ending);
        }
        places.extend(finished.suite.cases.iter().map(|case| (case.name.clone(), case.place.clone())));
        let trains = finished.suite.cases.first().cloned();
        cases.extend(trains.map(|case| Case { name: format!("seed {seed} {}", case.name), ..case }));
        if let Some((_, info)) = &finished.run {
            group.baselines.get_or_insert_with(|| info.baselines.clone());
        }
        runs.push(member(seed, &finished)?);
        directories.extend(finished.run.as_ref().map(|(directory, _)| directory.clone()));
        if worst == Ending::Invalid {
            return Ok(Entry { ending: worst, suite: finished.suite, ..Entry::of_nothing(file, &pipeline.name) });
        }
    }
    let mut figures = Seeds::spreads(&runs, |name| pipeline.range_of(name));
    let expectations = judge_means(&pipeline, &figures, &group.baselines.unwrap_or_default());
    // Those of single classes would make the tables long.
    figures.retain(|name, _| !name.contains('['));
    let record = Seeds { format: 1, name: pipeline.name.clone(), id, expectations, figures, runs };
    // It holds something from here on, and stays.
    let directory = directory.keep();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o755));
    }
    let page = write(&record, &directory, &directories)?;
    if record.expectations.iter().any(|expectation| !expectation.met) {
        worst = worst.max(Ending::NotMet);
    }
    if !output.json {
        tell(&record, &page, output);
    }
    Ok(Entry {
        file: file.to_owned(),
        name: pipeline.name,
        ending: worst,
        run: Some(directory),
        epochs: None,
        seconds: record.runs.iter().map(|run| run.seconds).sum(),
        metrics: record.figures.iter().map(|(name, spread)| (name.clone(), spread.mean)).collect(),
        json: serde_json::to_value(&record).expect("plain data"),
        suite: suite(file, &record, cases, &places),
    })
}

/// Where something was asked: a file, the line and the column.
type Place = Option<(PathBuf, usize, usize)>;

/// That each seed trains, and that the means keep to the expectations.
fn suite(file: &Path, record: &Seeds, trained: Vec<Case>, places: &BTreeMap<String, Place>) -> Suite {
    let seconds = record.runs.iter().map(|run| run.seconds).sum();
    let judged = record.expectations.iter().map(case_of_expectation);
    let judged = judged.map(|case| Case { place: places.get(&case.name).cloned().flatten(), ..case });
    let cases = trained.into_iter().chain(judged).collect();
    Suite { name: record.name.clone(), file: Some(file.to_owned()), run: None, seconds, cases }
}

fn member(seed: u64, finished: &Finished) -> Result<SeedRun> {
    let info = finished.run.as_ref().map(|(_, info)| info);
    let evaluation = finished.evaluation.iter();
    let figures = evaluation.flat_map(|evaluation| evaluation.metrics.iter().chain(&evaluation.figures));
    let mut figures: BTreeMap<String, f64> = figures.map(|(name, value)| (name.clone(), *value)).collect();
    if let Some((directory, info)) = &finished.run {
        // Those of the epoch whose weights were kept, which expectations can name, too.
        let history = directory.read_history()?;
        figures.extend(store::kept_epoch(info, &history).into_iter().flat_map(|epoch| epoch.figures.clone()));
    }
    figures.retain(|_, value| value.is_finite());
    Ok(SeedRun {
        seed,
        id: info.map(|info| info.id.clone()),
        status: info.map_or(Status::Failed, |info| info.status),
        epochs: info.map_or(0, |info| info.training.epochs_done),
        seconds: info.map_or(0.0, |info| info.timings.total),
        figures,
    })
}

/// Holds the gates against the means.
fn judge_means(
    pipeline: &Pipeline,
    spreads: &BTreeMap<String, Spread>,
    baselines: &BTreeMap<String, Baseline>,
) -> Vec<ExpectationResult> {
    let means = EvaluationRecord {
        examples: 0,
        metrics: spreads.iter().map(|(name, spread)| (name.clone(), spread.mean)).collect(),
        intervals: spreads.iter().filter_map(|(name, spread)| Some((name.clone(), spread.interval?))).collect(),
        figures: BTreeMap::new(),
        steps: Vec::new(),
    };
    judge(pipeline, &means, None, baselines)
}

/// Writes the record and the page; gives the page's path.
fn write(record: &Seeds, directory: &Path, runs: &[RunDirectory]) -> Result<PathBuf> {
    let mut text = serde_json::to_string_pretty(record).expect("plain data");
    text.push('\n');
    write_atomically(&directory.join(SEEDS), text.as_bytes())?;
    let compared = runs.iter().map(Compared::read).collect::<Result<Vec<_>>>()?;
    let page = directory.join("report.html");
    write_atomically(&page, seeds::render(record, &compared)?.as_bytes())?;
    Ok(page)
}

fn tell(record: &Seeds, page: &Path, output: &Output) {
    let mut table =
        Table::new(&["figure", "mean", "deviation", "95% interval of the mean", "least", "largest"], "<>>>>>");
    for (name, spread) in &record.figures {
        let interval = spread.interval.map(|(low, high)| format!("{} to {}", figure(name, low), figure(name, high)));
        table.row(&[
            name.as_str(),
            &figure(name, spread.mean),
            &spread.deviation.map(|deviation| figure(name, deviation)).unwrap_or_default(),
            &interval.unwrap_or_default(),
            &figure(name, spread.least),
            &figure(name, spread.largest),
        ]);
    }
    let complete = record.runs.iter().filter(|run| run.status == Status::Completed).count();
    if !output.quiet {
        eprintln!("{complete} of {} seeds are complete", record.runs.len());
        for run in &record.runs {
            let figures: Vec<(String, f64)> = crate::report::figure::FIRST
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), *run.figures.get(*name)?)))
                .collect();
            eprintln!("seed {}: {}", run.seed, figures_line(&figures));
        }
    }
    print!("{table}");
    print_expectations(&record.expectations);
    println!("report: {}", page.display());
}
