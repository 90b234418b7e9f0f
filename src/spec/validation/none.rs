//! No validation.

use super::ValidationDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No validation: every training example is trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct None {}

impl ValidationDefinition for None {}
