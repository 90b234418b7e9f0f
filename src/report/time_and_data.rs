//! Where the time went, and what the data was.

use super::{Section, figure};
use crate::{
    run::{DataInfo, Record},
    text::bytes,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "time-and-data",
    title: "Time and data",
    template: include_str!("../../templates/sections/time_and_data.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let (time, data) = (time(record), record.info.data.as_ref().map(data_facts));
    (!time.is_empty() || data.is_some())
        .then(|| json!({ "time": time, "data": data, "input_bound": record.info.input_bound }))
}

/// Pairs of a name and a figure.
fn time(record: &Record) -> Vec<(&'static str, String)> {
    let timings = &record.info.timings;
    // What wasn't come to, or isn't over, took no time yet.
    let mut facts: Vec<(&'static str, String)> = [
        ("Setup", timings.setup),
        ("Training, with validation", timings.training),
        ("Of that, progress, records and reports", timings.reporting),
        ("Evaluation", timings.evaluation),
        ("Total", timings.total),
    ]
    .into_iter()
    .filter(|(_, seconds)| *seconds > 0.0)
    .map(|(name, seconds)| (name, figure::duration(seconds)))
    .collect();
    let column = |value: fn(&crate::run::EpochRecord) -> f64| {
        record.history.iter().map(value).filter(|value| value.is_finite()).collect::<Vec<f64>>()
    };
    let (seconds, waiting) = (column(|epoch| epoch.seconds), column(|epoch| epoch.data_wait_seconds));
    if let Some(epoch) = median(seconds.clone()) {
        facts.push(("An epoch, median", figure::duration(epoch)));
    }
    facts.extend(figure::processes(&record.info.provenance).map(|processes| ("Trained by", processes)));
    if let Some(rate) = median(column(|epoch| epoch.images_per_second)) {
        facts.push(("Training examples a second, median", figure::grouped(rate.max(0.0).round() as u64)));
    }
    let trained: f64 = seconds.iter().sum();
    if trained > 0.0 {
        facts.push((
            "Share of training spent waiting for data",
            figure::percent(waiting.iter().sum::<f64>() / trained, 1),
        ));
    }
    if let Some(taken) = &record.info.device_use {
        let most = format!(
            "{} used, {} reserved, of {}",
            bytes(taken.most_used),
            bytes(taken.most_reserved),
            bytes(taken.memory)
        );
        facts.push(("Memory of the device, at most", most));
        facts.extend(taken.resident_data.map(|size| ("Data kept on the device", bytes(size))));
        facts.extend(taken.busy.map(|share| ("Share of training with the device at work", figure::percent(share, 0))));
    }
    facts
}

/// The middle value, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], upper) } else { upper })
}

fn data_facts(data: &DataInfo) -> Value {
    let validation = match data.validation_kind.as_str() {
        "none" => "none".to_owned(),
        "test" => format!("{} (the test split)", figure::count(data.validation)),
        "official" => format!("{} (the source's own)", figure::count(data.validation)),
        kind => format!("{} ({kind})", figure::count(data.validation)),
    };
    json!({
        "source": data.source,
        "location": data.location,
        "digest": data.digest,
        "shape": figure::shape(&data.shape),
        "is_table": data.shape.len() == 1,
        "train": figure::count(data.train),
        "validation": validation,
        "test": figure::count(data.test),
        "target": data.target,
        "classes": data.classes,
        "class_count": figure::count(data.classes.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn without_epochs_only_what_was_measured() {
        let mut record = sample();
        assert_eq!(time(&record).len(), 8);
        record.info.provenance.processes = 2;
        assert_eq!(time(&record)[6], ("Trained by", "2 processes of 2 threads".to_owned()));
        record.info.provenance.processes = 1;
        record.history.clear();
        assert_eq!(time(&record).len(), 5);
    }
}
