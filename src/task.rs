//! What a model is to predict.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a model is to predict of an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Which of some classes it is of.
    #[default]
    Classification,
    /// A number.
    Regression,
}

impl Task {
    /// What is predicted, for people.
    pub fn of_what(self) -> &'static str {
        match self {
            Task::Classification => "classes",
            Task::Regression => "numbers",
        }
    }
}
