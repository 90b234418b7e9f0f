//! A page over all runs, with links to their reports.

use super::{Rendered, figure, guarded, page};
use crate::{
    diagnostic::Result,
    run::{
        Judgement, RunInfo, Status,
        store::{Contents, Listed},
    },
};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, path::Path};

/// More of a pipeline's description is left to its reports, in characters.
const MOST_OF_A_DESCRIPTION: usize = 200;

/// The page over `runs`, the latest first, to be written into `root`.
///
/// # Errors
/// Where a record contradicts itself, or a template is wrong.
pub fn render(root: &Path, runs: &[Listed]) -> Result<String> {
    guarded(|| of_all(root, runs))
}

fn of_all(root: &Path, runs: &[Listed]) -> Result<String> {
    let sound: Vec<(&Listed, &Contents)> =
        runs.iter().filter_map(|run| Some((run, run.contents.as_ref().ok()?))).collect();
    let best = best_of_each(&sound);
    let rows: Vec<Json> = sound.iter().map(|(run, contents)| row(root, run, contents, &best)).collect();
    let damaged: Vec<Json> = runs
        .iter()
        .filter_map(|run| {
            let why = run.contents.as_ref().err()?;
            Some(json!({ "run": relative(root, run), "why": why }))
        })
        .collect();
    let names: Vec<Json> = best.iter().map(|(name, best)| pipeline(root, name, best, &sound)).collect();
    let environment = page::environment();
    let part = |id, title, template, data| -> Result<Rendered> {
        Ok(Rendered { id, title, html: page::part(&environment, template, data)? })
    };
    let mut parts = vec![
        part("pipelines", "Pipelines", include_str!("../../templates/runs/pipelines.html"), json!({ "names": names }))?,
        part("runs", "Runs", include_str!("../../templates/runs/runs.html"), json!({ "rows": rows }))?,
    ];
    if !damaged.is_empty() {
        let partial = include_str!("../../templates/runs/damaged.html");
        parts.push(part("damaged", "Damaged", partial, json!({ "rows": damaged }))?);
    }
    page::alone("Runs", "Runs", "", &parts)
}

/// The run with the best test accuracy among those of each name.
fn best_of_each<'a>(runs: &[(&'a Listed, &'a Contents)]) -> BTreeMap<&'a str, Option<(&'a Listed, f64)>> {
    let mut best = BTreeMap::<&str, Option<(&Listed, f64)>>::new();
    for (run, contents) in runs {
        let found = best.entry(&contents.info.name).or_default();
        let accuracy = contents.figures.as_ref().and_then(|figures| figures.metrics.get("test_accuracy").copied());
        if let Some(accuracy) = accuracy.filter(|value| found.is_none_or(|(_, best)| *value > best)) {
            *found = Some((run, accuracy));
        }
    }
    best
}

fn pipeline(root: &Path, name: &str, best: &Option<(&Listed, f64)>, runs: &[(&Listed, &Contents)]) -> Json {
    let of_name: Vec<_> = runs.iter().filter(|(_, contents)| contents.info.name == name).collect();
    let description = of_name.first().map(|(_, contents)| contents.info.description.trim()).unwrap_or_default();
    let mut shown: String = description.chars().take(MOST_OF_A_DESCRIPTION).collect();
    if shown.len() < description.len() {
        shown.push('…');
    }
    json!({
        "name": name,
        "description": shown,
        "count": figure::count(of_name.len()),
        "latest": of_name.first().map(|(_, contents)| figure::moment(&contents.info.started)),
        "best": best.map(|(run, accuracy)| json!({
            "value": figure::percent(accuracy, 2),
            "href": report(root, run),
            "id": relative(root, run),
        })),
    })
}

fn row(root: &Path, run: &Listed, contents: &Contents, best: &BTreeMap<&str, Option<(&Listed, f64)>>) -> Json {
    let info = &contents.info;
    let value = |name: &str| contents.figures.as_ref().and_then(|figures| figures.metrics.get(name).copied());
    let shown = |name: &str| {
        value(name).map(|value| {
            let interval = contents.figures.as_ref().and_then(|figures| figures.interval(name));
            json!({
                "value": figure::of(name, value),
                "interval": interval.map(|bounds| figure::interval_of(name, bounds)),
                "bounds": interval.map(|bounds| [percent(bounds.0), percent(bounds.1)]),
            })
        })
    };
    let is_best = best.get(info.name.as_str()).copied().flatten();
    json!({
        "name": info.name,
        "id": info.id,
        "href": report(root, run),
        "status": info.status,
        "reason": info.reason,
        "held": held(info),
        "started": info.started,
        "started_shown": figure::moment(&info.started),
        "epochs": format!("{} of {}", figure::count(info.training.epochs_done), figure::count(info.training.epochs)),
        "accuracy": shown("test_accuracy"),
        "width": value("test_accuracy").filter(|value| value.is_finite()).map(percent),
        "best": is_best.is_some_and(|(best, _)| best.directory.path() == run.directory.path()),
        "loss": shown("test_loss"),
        "time": (info.status != Status::Running).then(|| figure::duration(info.timings.total)),
    })
}

/// Whether the expectations held, where there are some: `yes`, `no`, or `open` where one that counts as passed is
/// inconclusive.
fn held(info: &RunInfo) -> Option<&'static str> {
    let all = &info.expectations;
    let sure = all.iter().all(|expectation| expectation.judgement() == Judgement::Passed);
    match (all.iter().all(|expectation| expectation.met), sure) {
        _ if all.is_empty() => None,
        (true, true) => Some("yes"),
        (true, false) => Some("open"),
        (false, _) => Some("no"),
    }
}

/// A share in percent, to a tenth.
fn percent(share: f64) -> f64 {
    (share.clamp(0.0, 1.0) * 1000.0).round() / 10.0
}

/// Where a run is, seen from the page.
fn relative(root: &Path, run: &Listed) -> String {
    let path = run.directory.path();
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// The address of a run's report, seen from the page; `None` where it has none.
fn report(root: &Path, run: &Listed) -> Option<String> {
    let path = run.directory.path().strip_prefix(root).ok()?;
    if !run.directory.file("report.html").is_file() {
        return None;
    }
    let parts = path.iter().map(|part| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let bytes = part.as_encoded_bytes().iter();
        bytes.map(|&b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    });
    // A first part with a colon would be taken for a scheme.
    Some(format!("./{}/report.html", parts.collect::<Vec<_>>().join("/")))
}
