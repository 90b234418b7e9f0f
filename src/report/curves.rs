//! Loss and metrics by epoch, of training and of validation.

use super::{
    Section,
    chart::{Chart, MOST_MARKERS, SIZE},
    figure,
};
use crate::run::{Record, Status};
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

    let charts: Vec<Value> =
        names.iter().filter_map(|name| chart(record, name, (first, last), kept.map(|kept| (kept, words)))).collect();
    let rows: Vec<Value> = record
        .history
        .iter()
        .map(|epoch| {
            let figures: Vec<Option<String>> =
                columns.iter().map(|name| epoch.figure(name).map(|value| figure::of(name, value))).collect();
            json!({
                "epoch": epoch.epoch,
                "kept": Some(epoch.epoch) == kept,
                "figures": figures,
                "learning_rate": figure::rate(epoch.learning_rate),
                "time": figure::duration(epoch.seconds),
                "images_per_second": figure::number(epoch.images_per_second.round()).replace(".0000", ""),
                "waiting": figure::duration(epoch.data_wait_seconds),
            })
        })
        .collect();
    let validation = match record.info.data.as_ref().map(|data| data.validation_kind.as_str()) {
        Some("test") => "validation (on the test split)".to_owned(),
        Some("none") | None => "validation".to_owned(),
        Some(kind) => format!("validation ({kind})"),
    };
    Some(json!({
        "charts": charts,
        "width": SIZE.0,
        "height": SIZE.1,
        "kept": kept,
        "kept_words": format!("weights {words}"),
        "marked": last - first < MOST_MARKERS,
        "validation": validation,
        "columns": columns.iter().map(|name| figure::capitalised(&figure::in_words(name))).collect::<Vec<_>>(),
        "rows": rows,
    }))
}

fn chart(record: &Record, name: &str, epochs: (usize, usize), kept: Option<(usize, &'static str)>) -> Option<Value> {
    let series = |name: &str| -> Vec<(usize, f64)> {
        record.history.iter().map(|epoch| (epoch.epoch, epoch.figure(name).unwrap_or(f64::NAN))).collect()
    };
    let (training, validation) = (series(name), series(&format!("val_{name}")));
    let share = figure::is_share(name);
    let drawing = Chart { training: &training, validation: &validation, epochs, kept, share }.draw()?;

    let mut description = Vec::new();
    for (kind, points) in [("Training", &training), ("Validation", &validation)] {
        let mut finite = points.iter().filter(|(_, value)| value.is_finite());
        if let (Some(from), last) = (finite.next(), finite.next_back()) {
            let at = |point: &(usize, f64)| format!("{} in epoch {}", figure::of(name, point.1), point.0);
            description.push(match last {
                Some(to) => format!("{kind}: from {} to {}.", at(from), at(to)),
                None => format!("{kind}: {}.", at(from)),
            });
        }
    }
    description.extend(kept.map(|(epoch, words)| format!("The weights {words} are those of epoch {epoch}.")));
    let words = figure::capitalised(&figure::in_words(name));
    Some(json!({
        "title": if share { format!("{words} (%)") } else { words.clone() },
        "alternative": format!("{words} by epoch"),
        "description": description.join(" "),
        "trained": training.iter().any(|(_, value)| value.is_finite()),
        "validated": validation.iter().any(|(_, value)| value.is_finite()),
        "drawing": drawing,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn a_chart_for_each_figure_with_both_its_curves() {
        let data = data(&sample()).unwrap();
        let charts = data["charts"].as_array().unwrap();
        assert_eq!(charts.iter().map(|c| c["title"].as_str().unwrap()).collect::<Vec<_>>(), ["Loss", "Accuracy (%)"]);
        assert!(charts.iter().all(|chart| chart["trained"] == true && chart["validated"] == true));
        assert_eq!(data["rows"].as_array().unwrap().len(), sample().history.len());
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
