//! What was watched while training: the norms of gradients, and the share of dead activations.

use super::{
    Section,
    chart::{AVERAGE, Axis, Chart, Drawn, LOOKS, Numbers, Series, Shape},
    figure,
};
use crate::run::Record;
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "training-dynamics",
    title: "Gradients and activations",
    template: include_str!("../../templates/sections/training_dynamics.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let charts: Vec<Value> =
        [norms(record), dead(record)].into_iter().flatten().enumerate().map(|(at, it)| it.chart(record, at)).collect();
    (!charts.is_empty()).then(|| json!({ "charts": charts }))
}

/// Something that was watched, of all layers together and of some.
struct Watched {
    title: &'static str,
    y: Axis,
    /// Names with the value of each epoch; of all together first.
    curves: Vec<(String, Vec<f64>)>,
    /// How many layers aren't shown.
    left_out: usize,
    shown: fn(f64) -> String,
}

/// The curves of `name` and of `name[layer]`; of many layers those with the largest last values.
fn curves(record: &Record, name: &str) -> (Vec<(String, Vec<f64>)>, usize) {
    let last = record.history.last().map_or(&[][..], |epoch| &epoch.watched);
    let layer = |column: &str| column.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    let mut layers: Vec<(usize, &str, f64)> = last
        .iter()
        .enumerate()
        .filter(|(_, (own, _))| layer(own).is_some())
        .map(|(i, (own, v))| (i, own.as_str(), *v))
        .collect();
    let all = layers.len();
    layers.sort_by(|one, other| other.2.total_cmp(&one.2));
    layers.truncate(LOOKS);
    layers.sort_by_key(|(place, ..)| *place);
    let values = |column: &str| -> Vec<f64> {
        let of = |epoch: &crate::run::EpochRecord| epoch.watched.iter().find(|(own, _)| own == column).map(|(_, v)| *v);
        record.history.iter().map(|epoch| of(epoch).unwrap_or(f64::NAN)).collect()
    };
    let whole = last.iter().any(|(own, _)| own == name).then(|| ("all layers".to_owned(), values(name)));
    let shown = layers.len();
    let single = layers.into_iter().filter_map(|(_, column, _)| Some((layer(column)?, values(column))));
    (whole.into_iter().chain(single).collect(), all - shown)
}

fn norms(record: &Record) -> Option<Watched> {
    let (curves, left_out) = curves(record, "gradient_norm");
    let y = Axis::logarithm("norm of the gradients", curves.iter().flat_map(|(_, values)| values.iter().copied()))?;
    Some(Watched { title: "Norm of the gradients", y, curves, left_out, shown: figure::number })
}

fn dead(record: &Record) -> Option<Watched> {
    let (curves, left_out) = curves(record, "dead_activations");
    let y = Axis::shares("dead activations (%)", curves.iter().flat_map(|(_, values)| values.iter().copied()))?;
    Some(Watched { title: "Dead activations", y, curves, left_out, shown: |share| figure::percent(share, 2) })
}

impl Watched {
    fn chart(self, record: &Record, at: usize) -> Value {
        let epochs: Vec<usize> = record.history.iter().map(|epoch| epoch.epoch).collect();
        let (first, last) = (epochs.first().copied().unwrap_or(1), epochs.last().copied().unwrap_or(1));
        let ends = |(name, values): &(String, Vec<f64>)| {
            let (from, to) = (values.first().copied().unwrap_or(f64::NAN), values.last().copied().unwrap_or(f64::NAN));
            format!("{name}: from {} to {}.", (self.shown)(from), (self.shown)(to))
        };
        let left_out = match self.left_out {
            0 => String::new(),
            others => format!(" {} with smaller values are left out.", figure::counted(others, "layer", "layers")),
        };
        let description = self.curves.iter().map(ends).collect::<Vec<_>>().join(" ") + &left_out;
        let columns: Vec<String> =
            std::iter::once("Epoch".to_owned()).chain(self.curves.iter().map(|(name, _)| name.clone())).collect();
        let row = |(place, epoch): (usize, &usize)| {
            let values = self.curves.iter().map(|(_, values)| (self.shown)(values[place]));
            std::iter::once(epoch.to_string()).chain(values).collect::<Vec<String>>()
        };
        let numbers = Numbers {
            name: format!("{} by epoch", self.title),
            columns,
            rows: epochs.iter().enumerate().map(row).collect(),
            places: epochs.iter().map(|&epoch| epoch as f64).collect(),
        };
        let mut look = 0;
        let series = self.curves.into_iter().map(|(name, values)| {
            let own = if name == "all layers" { AVERAGE } else { look };
            look += usize::from(own != AVERAGE);
            let points = epochs.iter().map(|&epoch| epoch as f64).zip(values).collect();
            Series { name, look: own, drawn: Drawn::Line(points) }
        });
        Chart {
            title: self.title.to_owned(),
            alternative: format!("{} by epoch", self.title),
            description,
            x: Axis::epochs((first, last)),
            y: self.y,
            series: series.collect(),
            mark: None,
            diagonal: None,
            shape: Shape::Wide,
        }
        .data(&format!("training-dynamics-{at}"), Some(&numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn what_was_watched_is_drawn_and_nothing_else() {
        let mut record = sample();
        let charts = data(&record).unwrap()["charts"].as_array().unwrap().clone();
        assert_eq!(charts.len(), 2);
        assert!(charts[0]["description"].as_str().unwrap().starts_with("all layers: from 2.0000 to "), "{charts:?}");
        for layer in 0..14 {
            record.history.iter_mut().for_each(|epoch| {
                epoch.watched.push((format!("gradient_norm[dense_{layer}]"), 0.01 * f64::from(layer)));
            });
        }
        let charts = data(&record).unwrap()["charts"].as_array().unwrap().clone();
        assert!(charts[0]["description"].as_str().unwrap().ends_with("5 layers with smaller values are left out."));
        record.history.iter_mut().for_each(|epoch| epoch.watched.clear());
        assert!(data(&record).is_none());
    }
}
