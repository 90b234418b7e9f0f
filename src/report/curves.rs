//! Loss and metrics by epoch, of training and of validation.

use super::{
    Section,
    chart::{Axis, Chart, Drawn, Mark, Series, Shape},
    figure,
};
use crate::{
    evaluation::learning_curves::{Outcome, Trend},
    run::{Record, RunInfo, Status},
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "learning-curves",
    title: "Training curves",
    template: include_str!("../../templates/sections/curves.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let (first, last) = (record.history.first()?.epoch, record.history.last()?.epoch);
    let training = &record.info.training;
    let kept = training.best_epoch.or(training.stopped_early.then_some(last));
    let words = if record.info.status == Status::Running { "best so far" } else { "kept" };

    // `val_loss` belongs to the chart of `loss`; the order is that of the first epoch that has them.
    let mut names: Vec<&str> = Vec::new();
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in record.history.iter().flat_map(|epoch| &epoch.figures) {
        let base = name.strip_prefix("val_").unwrap_or(name);
        if !names.contains(&base) {
            names.push(base);
        }
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }

    let validation = match record.info.data.as_ref().map(|data| data.validation_kind.as_str()) {
        Some("test") => "validation (on the test split)".to_owned(),
        Some("none") | None => "validation".to_owned(),
        Some(kind) => format!("validation ({kind})"),
    };
    let mark = kept.map(|kept| (kept, words));
    let of_figures = names.iter().filter_map(|name| figures(record, name, &validation));
    let charts: Vec<Value> = of_figures
        .chain(learning_rate(record))
        .enumerate()
        .map(|(i, drawn)| {
            // The first column is the epoch, and the learning rate follows the figures.
            let shown = columns.iter().enumerate().filter(|(_, name)| drawn.figures.iter().any(|own| own == *name));
            let mut shown: Vec<usize> = shown.map(|(at, _)| at + 1).collect();
            if drawn.figures.is_empty() {
                shown.push(columns.len() + 1);
            }
            drawn.chart((first, last), mark).data_beside(&format!("curves-{i}"), TABLE, shown)
        })
        .collect();
    let rows: Vec<Value> = record
        .history
        .iter()
        .map(|epoch| {
            let figures: Vec<Option<String>> =
                columns.iter().map(|name| epoch.figure(name).map(|value| figure::of(name, value))).collect();
            json!({
                "epoch": epoch.epoch,
                "kept": Some(epoch.epoch) == kept,
                "resumed": record.info.resumed.iter().any(|again| again.epochs + 1 == epoch.epoch),
                "figures": figures,
                "learning_rate": figure::rate(epoch.learning_rate),
                "time": figure::duration(epoch.seconds),
                "images_per_second": figure::number(epoch.images_per_second.round()).replace(".0000", ""),
                "waiting": figure::duration(epoch.data_wait_seconds),
            })
        })
        .collect();
    Some(json!({
        "told": told(record),
        "resumed": resumptions(&record.info),
        "charts": charts,
        "table": TABLE,
        "columns": columns.iter().map(|name| figure::capitalised(&figure::in_words(name))).collect::<Vec<_>>(),
        "rows": rows,
    }))
}

/// Where training was interrupted and gone on with, and what was different from there on.
fn resumptions(info: &RunInfo) -> Vec<Value> {
    let told = info.resumed.iter().enumerate().map(|(at, again)| {
        let done = match again.epochs {
            0 => "before the end of the first epoch".to_owned(),
            epochs => format!("after epoch {}", figure::count(epochs)),
        };
        let steps = figure::counted(usize::try_from(again.steps).unwrap_or(usize::MAX), "step", "steps");
        let words = match (&info.lineage, at) {
            (Some(parent), 0) => format!("It goes on with the run {}, {done}", parent.id),
            _ => format!("Resumed {done}, at {steps}, on {}", figure::moment(&again.at)),
        };
        json!({ "words": words, "changes": again.changes, "notes": again.notes })
    });
    told.collect()
}

/// What the step `learning_curves` read in the curves, where the pipeline has it.
fn told(record: &Record) -> Option<String> {
    let outcome = record.evaluation.as_ref()?.results::<Outcome>().next()?;
    let mut said = vec![match outcome.trend {
        Trend::Improving => "The loss was still falling in the end: more epochs may bring more.".to_owned(),
        Trend::Settled => "The loss hardly moved in the end.".to_owned(),
        Trend::Overfitting => format!(
            "It overfitted: after epoch {} the validation loss rose while the training loss fell.",
            outcome.lowest_loss.unwrap_or(outcome.kept)
        ),
        Trend::Unclear => "There are too few epochs to say where the loss was heading.".to_owned(),
    }];
    let kept = figure::count(outcome.kept);
    if let Some(gap) = outcome.accuracy_gap {
        let (more, less) = if gap < 0.0 { ("validation", "training") } else { ("training", "validation") };
        let points = figure::number((gap * 1000.0).round().abs() / 10.0);
        let points = points.trim_end_matches('0').trim_end_matches('.');
        said.push(format!("In epoch {kept} the accuracy in {more} was {points} points above that in {less}."));
    }
    if let Some(gap) = outcome.loss_gap {
        let side = if gap < 0.0 { "below" } else { "above" };
        said.push(format!("The validation loss was {} {side} the training loss.", figure::number(gap.abs())));
    }
    Some(said.join(" "))
}

/// What one chart shows by epoch.
struct Curves {
    /// In words.
    name: String,
    /// The figures of the history that it shows; none for the learning rate.
    figures: Vec<String>,
    y: Axis,
    series: Vec<Series>,
    description: Vec<String>,
}

impl Curves {
    fn chart(self, epochs: (usize, usize), kept: Option<(usize, &str)>) -> Chart {
        let mark = kept.map(|(epoch, words)| Mark {
            at: epoch as f64,
            words: format!("{words}: epoch {epoch}"),
            name: format!("weights {words}"),
        });
        let told = kept.map(|(epoch, words)| format!("The weights {words} are those of epoch {epoch}."));
        Chart {
            title: self.name.clone(),
            alternative: format!("{} by epoch", self.name),
            description: self.description.into_iter().chain(told).collect::<Vec<_>>().join(" "),
            x: Axis::epochs(epochs),
            y: self.y,
            series: self.series,
            mark,
            diagonal: None,
            shape: Shape::Wide,
        }
    }
}

/// The id of the table that holds the numbers of all curves.
const TABLE: &str = "curves-numbers";

/// A figure of training, and that of validation.
fn figures(record: &Record, name: &str, validation: &str) -> Option<Curves> {
    let points = |name: &str| -> Vec<(f64, f64)> {
        record.history.iter().map(|epoch| (epoch.epoch as f64, epoch.figure(name).unwrap_or(f64::NAN))).collect()
    };
    let (training, validated) = (points(name), points(&format!("val_{name}")));
    let values = training.iter().chain(&validated).map(|(_, value)| *value);
    let words = figure::in_words(name);
    let y = if figure::is_share(name) {
        Axis::shares(format!("{words} (%)"), values)?
    } else {
        Axis::numbers(words.clone(), values)?
    };

    let figures = [name.to_owned(), format!("val_{name}")];
    let (mut series, mut description) = (Vec::new(), Vec::new());
    for (look, (kind, legend, points)) in
        [("Training", "training", training), ("Validation", validation, validated)].into_iter().enumerate()
    {
        let computed = record.history.iter().filter_map(|epoch| epoch.figure(&figures[look]));
        let no_numbers = computed.filter(|value| !value.is_finite()).count();
        let mut finite = points.iter().filter(|(_, value)| value.is_finite());
        let at = |point: &(f64, f64)| format!("{} in epoch {}", figure::of(name, point.1), point.0);
        let mut legend = legend.to_owned();
        match (finite.next(), finite.next_back()) {
            (Some(from), Some(to)) => description.push(format!("{kind}: from {} to {}.", at(from), at(to))),
            (Some(only), None) => description.push(format!("{kind}: {}.", at(only))),
            (None, _) if no_numbers == 0 => continue,
            (None, _) => description.push(format!("{kind}: not a number.")),
        }
        if no_numbers > 0 {
            let epochs = figure::counted(no_numbers, "epoch", "epochs");
            legend = format!("{legend}: not a number in {epochs}");
        }
        series.push(Series { name: legend, look, drawn: Drawn::Line(points) });
    }
    Some(Curves { name: figure::capitalised(&words), figures: figures.to_vec(), y, series, description })
}

/// The learning rate, where it didn't stay the same.
fn learning_rate(record: &Record) -> Option<Curves> {
    let rates = || record.history.iter().map(|epoch| epoch.learning_rate);
    let first = rates().next()?;
    if rates().all(|rate| rate == first) {
        return None;
    }
    let points = record.history.iter().map(|epoch| (epoch.epoch as f64, epoch.learning_rate)).collect();
    let last = rates().next_back().unwrap_or(first);
    Some(Curves {
        name: "Learning rate".to_owned(),
        figures: Vec::new(),
        y: Axis::logarithm("learning rate", rates())?,
        series: vec![Series { name: "learning rate".to_owned(), look: 2, drawn: Drawn::Line(points) }],
        description: vec![format!("From {} to {}.", figure::rate(first), figure::rate(last))],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn a_chart_for_each_figure_with_both_its_curves() {
        let data = data(&sample()).unwrap();
        let charts = data["charts"].as_array().unwrap();
        assert_eq!(charts.iter().map(|c| c["title"].as_str().unwrap()).collect::<Vec<_>>(), ["Loss", "Accuracy"]);
        for chart in charts {
            let names: Vec<&str> =
                chart["legend"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
            assert_eq!(names, ["training", "validation (on the test split)", "weights kept"]);
        }
        assert_eq!(data["rows"].as_array().unwrap().len(), sample().history.len());
    }

    #[test]
    fn a_rate_that_changes_has_a_chart() {
        let mut record = sample();
        record.history.iter_mut().for_each(|epoch| epoch.learning_rate = 0.1 / epoch.epoch as f64);
        let data = data(&record).unwrap();
        let chart = &data["charts"][2];
        assert_eq!((&chart["title"], &chart["id"]), (&json!("Learning rate"), &json!("curves-2")));
        assert_eq!(chart["description"], "From 0.1 to 0.00833333. The weights kept are those of epoch 9.");
    }

    #[test]
    fn no_epoch_no_curves_and_one_epoch_still_some() {
        let mut record = sample();
        record.history.truncate(1);
        assert_eq!(data(&record).unwrap()["charts"].as_array().unwrap().len(), 2);
        record.history.clear();
        assert!(data(&record).is_none());
    }

    #[test]
    fn a_curve_that_is_no_number_is_told_in_the_legend() {
        let mut record = sample();
        let epochs = record.history.len();
        for epoch in &mut record.history {
            epoch.figures.iter_mut().filter(|(name, _)| name == "val_loss").for_each(|(_, value)| *value = f64::NAN);
        }
        let data = data(&record).unwrap();
        let legend = |chart: usize| data["charts"][chart]["legend"][1]["name"].clone();
        assert_eq!(legend(0), format!("validation (on the test split): not a number in {epochs} epochs"));
        assert_eq!(legend(1), "validation (on the test split)");
    }

    #[test]
    fn a_chart_points_at_its_own_columns() {
        let data = data(&sample()).unwrap();
        let columns = data["columns"].as_array().unwrap();
        for chart in data["charts"].as_array().unwrap() {
            let name = chart["title"].as_str().unwrap().to_lowercase();
            let shown = chart["pointed"]["columns"].as_str().unwrap().split(' ');
            let shown: Vec<&str> =
                shown.map(|at| columns[at.parse::<usize>().unwrap() - 1].as_str().unwrap()).collect();
            assert_eq!(shown.len(), 2);
            assert!(shown.iter().all(|column| column.to_lowercase().contains(&name)), "{name}: {shown:?}");
        }
    }

    #[test]
    fn a_figure_without_a_number_has_no_chart() {
        let mut record = sample();
        for epoch in &mut record.history {
            epoch.figures.iter_mut().for_each(|(_, value)| *value = f64::NAN);
        }
        let data = data(&record).unwrap();
        assert_eq!(data["charts"].as_array().unwrap().len(), 0);
        assert_eq!(data["rows"][0]["figures"][0], "not a number");
    }
}
