//! What became of an expectation.

use serde::{Deserialize, Serialize};

/// One gate and how it was judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExpectationResult {
    /// The figure, such as `test_accuracy`.
    pub figure: String,
    /// At least this.
    pub min: Option<f64>,
    /// At most this.
    pub max: Option<f64>,
    /// What it came to; `None` where it wasn't produced.
    pub value: Option<f64>,
    /// Whether it counts as held.
    pub met: bool,
    /// How it was judged; older records only say whether it was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Judgement>,
    /// The value's 95% interval, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// By how much it may be worse than the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drop: Option<f64>,
    /// What it was measured against, where that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// By how much each bound may be missed.
    #[serde(default)]
    pub tolerance: f64,
}

/// How a gate was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The figure kept every bound.
    Passed,
    /// It missed one, or is no number.
    Failed,
    /// The figure or what it is measured against is missing, or its interval lies on both sides of a bound.
    Inconclusive,
}

/// An earlier figure of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Where it comes from: a lock file, or a run as NAME/ID.
    pub name: String,
    /// The figure.
    pub value: f64,
}

/// How numbers are written where an expectation is put into words.
pub struct Numbers<'a> {
    /// What the user wrote, as exactly as that.
    pub bound: &'a dyn Fn(f64) -> String,
    /// A difference that the user wrote.
    pub difference: &'a dyn Fn(f64) -> String,
    /// What was measured.
    pub value: &'a dyn Fn(f64) -> String,
}

impl Numbers<'static> {
    /// Plain numbers, those measured to four decimals.
    pub const PLAIN: Self =
        Numbers { bound: &|value| value.to_string(), difference: &|value| value.to_string(), value: &plain };
}

fn plain(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "not a number".to_owned() }
}

impl ExpectationResult {
    /// How it was judged, of older records too.
    pub fn judgement(&self) -> Judgement {
        self.outcome.unwrap_or(match (self.met, self.value) {
            (true, _) => Judgement::Passed,
            (false, None) => Judgement::Inconclusive,
            (false, Some(_)) => Judgement::Failed,
        })
    }

    /// What was asked, as it goes on behind the figure's name: `at least 0.7 and at most 0.02 below 0.7213 (digits.lock)`.
    pub fn asked(&self, numbers: &Numbers<'_>) -> String {
        let bounds = [("at least", self.min), ("at most", self.max)];
        let bounds = bounds.into_iter().filter_map(|(word, bound)| Some(format!("{word} {}", (numbers.bound)(bound?))));
        let all: Vec<String> = bounds.chain(self.max_drop.map(|drop| self.drop(drop, numbers))).collect();
        let tolerance = match self.tolerance {
            0.0 => String::new(),
            tolerance => format!(", give or take {}", (numbers.difference)(tolerance)),
        };
        match all.is_empty() {
            true => "anything".to_owned(),
            false => all.join(" and ") + &tolerance,
        }
    }

    fn drop(&self, drop: f64, numbers: &Numbers<'_>) -> String {
        let worse = if super::store::smaller_is_better(&self.figure) { "above" } else { "below" };
        let than = match &self.baseline {
            Some(Baseline { name, value }) => format!("{} ({name})", (numbers.value)(*value)),
            None => "what isn't there yet".to_owned(),
        };
        match drop {
            0.0 => format!("not {worse} {than}"),
            drop => format!("at most {} {worse} {than}", (numbers.difference)(drop)),
        }
    }

    /// What it came to: `0.7213`, `not produced`.
    pub fn came_to(&self, numbers: &Numbers<'_>) -> String {
        match (self.value, self.judgement()) {
            (Some(value), _) => (numbers.value)(value),
            // JSON has no word for it.
            (None, Judgement::Failed) => (numbers.value)(f64::NAN),
            (None, _) => "not produced".to_owned(),
        }
    }

    /// Why it cannot be judged, where that is so.
    pub fn doubt(&self) -> Option<&'static str> {
        (self.judgement() == Judgement::Inconclusive).then_some(match (self.value, self.max_drop, &self.baseline) {
            (None, ..) => "the run didn't produce it",
            (_, Some(_), None) => "what it is measured against isn't there",
            _ => "the interval lies on both sides of a bound",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_records_are_read_and_judged() {
        let read = |text: &str| serde_json::from_str::<ExpectationResult>(text).unwrap();
        let held = read(r#"{"figure": "a", "min": 0.7, "max": null, "value": 0.8, "met": true}"#);
        let missed = read(r#"{"figure": "a", "min": 0.7, "max": null, "value": 0.6, "met": false}"#);
        let missing = read(r#"{"figure": "a", "min": 0.7, "max": null, "value": null, "met": false}"#);
        assert_eq!(held.judgement(), Judgement::Passed);
        assert_eq!(missed.judgement(), Judgement::Failed);
        assert_eq!(missing.judgement(), Judgement::Inconclusive);
        assert_eq!((held.tolerance, held.doubt()), (0.0, None));
        assert_eq!(missing.doubt(), Some("the run didn't produce it"));
    }

    #[test]
    fn what_was_asked_is_said_in_words() {
        let asked = |change: &dyn Fn(&mut ExpectationResult)| {
            let mut result = ExpectationResult { figure: "test_accuracy".to_owned(), ..Default::default() };
            change(&mut result);
            result.asked(&Numbers::PLAIN)
        };
        let baseline = Some(Baseline { name: "digits.lock".to_owned(), value: 0.72134 });
        assert_eq!(asked(&|_| ()), "anything");
        assert_eq!(asked(&|it| it.min = Some(0.7)), "at least 0.7");
        assert_eq!(asked(&|it| (it.min, it.max) = (Some(0.7), Some(0.9))), "at least 0.7 and at most 0.9");
        assert_eq!(asked(&|it| (it.max, it.tolerance) = (Some(0.9), 0.01)), "at most 0.9, give or take 0.01");
        assert_eq!(asked(&|it| it.max_drop = Some(0.02)), "at most 0.02 below what isn't there yet");
        let measured = |it: &mut ExpectationResult, drop: f64| {
            (it.max_drop, it.baseline) = (Some(drop), baseline.clone());
        };
        assert_eq!(asked(&|it| measured(it, 0.02)), "at most 0.02 below 0.7213 (digits.lock)");
        assert_eq!(asked(&|it| measured(it, 0.0)), "not below 0.7213 (digits.lock)");
        let loss = |it: &mut ExpectationResult| {
            measured(it, 0.1);
            it.figure = "val_loss".to_owned();
        };
        assert_eq!(asked(&loss), "at most 0.1 above 0.7213 (digits.lock)");
    }

    #[test]
    fn what_it_came_to_survives_being_written() {
        let lost = ExpectationResult {
            value: Some(f64::NAN),
            outcome: Some(Judgement::Failed),
            ..ExpectationResult::default()
        };
        let read: ExpectationResult = serde_json::from_str(&serde_json::to_string(&lost).unwrap()).unwrap();
        assert_eq!(lost.came_to(&Numbers::PLAIN), "not a number");
        assert_eq!(read.came_to(&Numbers::PLAIN), "not a number");
    }
}
