//! Validation on the test split.

use super::ValidationDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The test split, as many tutorials do it. What is chosen by such a validation looks better on the test split than it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Test {}

impl ValidationDefinition for Test {}
