//! One rate up to and including each boundary, another behind it, as Keras' `PiecewiseConstantDecay`.

use super::{Fault, Length, ScheduleDefinition, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes the rate at given steps, and keeps it between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["MultiStepLR"], "examples" = [
    {"boundaries": [{"epochs": 5}, {"epochs": 8}], "values": [0.1, 0.01, 0.001]},
    {"boundaries": [60], "values": [0.01, 0.001]}
]))]
pub struct PiecewiseConstantDecay {
    /// After which steps the rate changes, each a number of steps or as `{epochs: 5}`.
    #[schemars(length(min = 1, max = 1000), extend("x-known-as" = ["milestones"]))]
    pub boundaries: Vec<Span>,
    /// The rates: one more than there are boundaries.
    #[schemars(length(min = 2, max = 1001), inner(range(min = 0, max = 100)))]
    pub values: Vec<f64>,
}

impl ScheduleDefinition for PiecewiseConstantDecay {
    fn rate(&self, step: u64, training: &Length) -> f64 {
        let passed = self.boundaries.iter().take_while(|boundary| step > boundary.steps(training)).count();
        self.values.get(passed).or(self.values.last()).copied().unwrap_or(0.0)
    }

    fn largest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    fn hangs_on_length(&self) -> bool {
        false
    }

    fn fault(&self) -> Option<Fault> {
        let (boundaries, values) = (self.boundaries.len(), self.values.len());
        if values != boundaries + 1 {
            return Some(Fault {
                path: vec!["values"],
                message: format!("{values} rates with {boundaries} boundaries"),
                help: "give a rate before the first boundary, and one behind each".to_owned(),
            });
        }
        let falls = self.boundaries.windows(2).any(|pair| match pair {
            [Span::Steps(before), Span::Steps(after)] => before >= after,
            [Span::Epochs(before), Span::Epochs(after)] => before >= after,
            // Which of them comes first is known only with the data.
            _ => false,
        });
        falls.then(|| Fault {
            path: vec!["boundaries"],
            message: "a boundary doesn't lie behind the one before it".to_owned(),
            help: "write the boundaries in rising order".to_owned(),
        })
    }
}
