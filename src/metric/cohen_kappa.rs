//! Cohen's kappa: the agreement of predictions and labels beyond chance, as a share of what is possible.

use super::{MetricDefinition, Running, counted::counting};
use crate::evaluation::statistics::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far predictions agree with labels beyond what chance gives: 1 for all, 0 for chance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct CohenKappa {}

impl MetricDefinition for CohenKappa {
    fn figure(&self) -> String {
        "cohen_kappa".to_owned()
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        counting(classes, Tally::kappa)
    }

    fn range(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }
}
