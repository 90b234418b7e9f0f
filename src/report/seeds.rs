//! Several runs that differ in nothing but their seed, as a page of their own.

use super::{
    Rendered,
    comparison::{Compared, curves, curves_part},
    figure, page,
};
use crate::{
    diagnostic::Result,
    run::{Seeds, Spread, Status},
};
use serde_json::{Value as Json, json};

/// The page; `runs` are those of `seeds` that left a directory, in the same order.
///
/// Fails only where a template is wrong.
pub fn render(seeds: &Seeds, runs: &[Compared]) -> Result<String> {
    let title = format!("{}: {} seeds", seeds.name, seeds.runs.len());
    let environment = page::environment();
    let part = |id, title, template, data| -> Result<Rendered> {
        Ok(Rendered { id, title, html: page::part(&environment, template, data)? })
    };
    let names: Vec<String> = runs.iter().map(|run| format!("seed {}", run.info.provenance.seed)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut parts = vec![part("spread", "Mean and spread", include_str!("../../templates/seeds.html"), data(seeds))?];
    let drawn = curves(runs);
    if !drawn.is_empty() {
        let template = include_str!("../../templates/comparison/curves.html");
        parts.push(part("curves", "Curves", template, curves_part(&drawn, &names))?);
    }
    page::alone(&title, &title, "", &parts)
}

fn data(seeds: &Seeds) -> Json {
    let mut figures: Vec<(&String, &Spread)> = seeds.figures.iter().collect();
    // Those of the test first, of training last.
    let rank = |name: &str| (!name.starts_with("test_"), !name.starts_with("val_"), figure::rank(name));
    figures.sort_by_key(|(name, _)| rank(name));
    let columns = [
        "test_accuracy",
        "test_mean_absolute_error",
        "test_loss",
        "val_accuracy",
        "val_mean_absolute_error",
        "val_loss",
    ];
    let names: Vec<&str> = columns.into_iter().filter(|name| seeds.figures.contains_key(*name)).collect();
    let rows = figures.iter().map(|(name, spread)| {
        json!({
            "name": figure::capitalised(&figure::in_words(name)),
            "mean": figure::of(name, spread.mean),
            "deviation": spread.deviation.map(|deviation| figure::difference(name, deviation).replace('+', "")),
            "interval": spread.interval.map(|interval| figure::interval_of(name, interval)),
            "least": figure::of(name, spread.least),
            "largest": figure::of(name, spread.largest),
            "runs": spread.runs,
        })
    });
    let runs = seeds.runs.iter().map(|run| {
        json!({
            "seed": run.seed,
            "id": run.id,
            "report": run.id.as_ref().map(|id| format!("../{id}/report.html")),
            "status": run.status,
            "epochs": figure::count(run.epochs),
            "time": figure::duration(run.seconds),
            "figures": names.iter().map(|name| run.figures.get(*name).map(|value| figure::of(name, *value))).collect::<Vec<_>>(),
        })
    });
    json!({
        "complete": seeds.runs.iter().filter(|run| run.status == Status::Completed).count(),
        "rows": rows.collect::<Vec<_>>(),
        "columns": names.iter().map(|name| figure::capitalised(&figure::in_words(name))).collect::<Vec<_>>(),
        "runs": runs.collect::<Vec<_>>(),
        "expectations": seeds.expectations.iter().map(super::verdict::expectation).collect::<Vec<_>>(),
    })
}
