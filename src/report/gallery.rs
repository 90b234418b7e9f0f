//! Examples with what the model said of them, for the macros of `templates/gallery.html`.

use super::figure;
use crate::{
    evaluation::{Outcome, Shown},
    run::Record,
};
use serde_json::{Value, json};

/// The results of one kind of step, each turned into the data of the partial, as `results`; nothing where there is none.
pub(super) fn results<T: Outcome + 'static>(record: &Record, shown: impl Fn(&T, &Names<'_>) -> Value) -> Option<Value> {
    let names = Names::of(record);
    let results: Vec<Value> = record.evaluation.as_ref()?.results::<T>().map(|result| shown(result, &names)).collect();
    (!results.is_empty()).then(|| json!({ "results": results }))
}

/// The names of the classes.
pub(super) struct Names<'a>(&'a [String]);

impl<'a> Names<'a> {
    pub fn of(record: &'a Record) -> Self {
        Names(record.info.data.as_ref().map_or(&[], |data| &data.classes))
    }

    /// The name of a class; its number where it has none.
    pub fn class(&self, class: u32) -> String {
        self.0.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
    }

    /// An example with its caption and its bars.
    pub fn example(&self, shown: &Shown) -> Value {
        let percent = |probability: f32| figure::percent(f64::from(probability), 1);
        let right = shown.label == shown.predicted;
        let bar = |sure: &crate::evaluation::Sure| {
            let kind = match sure.class {
                class if class == shown.label => "hit",
                class if class == shown.predicted => "miss",
                _ => "other",
            };
            let width = if sure.probability.is_finite() { 100.0 * f64::from(sure.probability) } else { 0.0 };
            json!({
                "class": self.class(sure.class),
                "share": percent(sure.probability),
                "width": format!("{width:.1}"),
                "kind": kind,
            })
        };
        json!({
            "index": shown.index,
            "name": shown.name,
            // What has no name of its own is called by its number.
            "named": shown.name != shown.index.to_string(),
            "right": right,
            "label": self.class(shown.label),
            "predicted": self.class(shown.predicted),
            "confidence": shown.top.first().map_or_else(String::new, |sure| percent(sure.probability)),
            "of_label": percent(shown.probability_of_label),
            "png": shown.png,
            "bars": shown.top.iter().map(bar).collect::<Vec<_>>(),
        })
    }

    /// Several of them.
    pub fn examples(&self, shown: &[Shown]) -> Vec<Value> {
        shown.iter().map(|shown| self.example(shown)).collect()
    }
}
