//! What is expected of a figure.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, path::PathBuf};

/// What is expected of a figure: bounds, and how far it may fall behind an earlier run. Of several all must hold. A figure
/// that is no number holds none of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"min": 0.7}, {"max_drop": 0.01, "against": "previous"}]))]
pub struct Expectation {
    /// At least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// At most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// By how much it may be worse than the figure of the same name in `against`: lower, or of a loss or an error, higher.
    /// 0 where it may not be worse at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("examples" = [0.01]))]
    pub max_drop: Option<f64>,
    /// What `max_drop` is measured against: `lock`, the lock file beside the pipeline, `NAME.lock` beside `NAME.yaml`;
    /// `previous`, the latest run of this name that came to its end, whether its own expectations held or not; or one run, by its directory or as NAME for the latest
    /// run of that name. It is read before training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Against", extend("x-default" = "`lock`"))]
    pub against: Option<Against>,
    /// By how much each of the bounds may be missed, for figures that differ in their last digits between machines.
    #[serde(default)]
    #[schemars(range(min = 0), extend("examples" = [0.005]))]
    pub tolerance: f64,
    /// What becomes of a figure that cannot be judged: one that the run didn't produce, or one whose 95% interval lies on
    /// both sides of a bound. An interval is known of `test_loss`, `test_accuracy` and what `metrics` and `top_k` give; any
    /// other figure is judged by its value.
    #[serde(default)]
    pub inconclusive: Inconclusive,
}

impl Expectation {
    /// What `max_drop` is measured against.
    pub fn against(&self) -> Against {
        self.against.clone().unwrap_or_default()
    }

    /// Whether it expects anything.
    pub fn is_empty(&self) -> bool {
        self.min.is_none() && self.max.is_none() && self.max_drop.is_none()
    }
}

/// What a figure is measured against.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Against {
    /// The lock file beside the pipeline.
    #[default]
    Lock,
    /// The latest completed run of the pipeline's name.
    Previous,
    /// A run: its directory, or a name.
    Run(PathBuf),
}

const LOCK: &str = "lock";
const PREVIOUS: &str = "previous";

impl Serialize for Against {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Against::Lock => serializer.serialize_str(LOCK),
            Against::Previous => serializer.serialize_str(PREVIOUS),
            Against::Run(run) => run.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Against {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)? {
            word if word == LOCK => Against::Lock,
            word if word == PREVIOUS => Against::Previous,
            run => Against::Run(run.into()),
        })
    }
}

impl JsonSchema for Against {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Against".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "x-expected": "`lock`, `previous` or a run",
            "examples": [LOCK, PREVIOUS, "runs/digits/20261123-230512-7f3a"]
        })
    }
}

/// What becomes of a figure that cannot be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Inconclusive {
    /// The interval isn't asked: the value alone decides. A figure that is missing is a failure.
    #[default]
    Value,
    /// It is inconclusive and counts as passed; so does a figure whose lock or previous run isn't there yet.
    Pass,
    /// It is inconclusive and counts as failed: the whole interval must keep the bounds.
    Fail,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_mean_something_and_all_others_are_runs() {
        for (text, against) in [
            ("lock", Against::Lock),
            ("previous", Against::Previous),
            ("runs/lock", Against::Run("runs/lock".into())),
            ("Lock", Against::Run("Lock".into())),
        ] {
            let json = serde_json::json!(text);
            assert_eq!(serde_json::from_value::<Against>(json.clone()).unwrap(), against);
            assert_eq!(serde_json::to_value(&against).unwrap(), json);
        }
        assert_eq!(Expectation::default().against(), Against::Lock);
    }

    #[test]
    fn a_tolerance_alone_expects_nothing() {
        assert!(Expectation { tolerance: 0.1, ..Expectation::default() }.is_empty());
        assert!(!Expectation { max_drop: Some(0.0), ..Expectation::default() }.is_empty());
    }
}
