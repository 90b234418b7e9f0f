//! One device does everything.

use super::StrategyDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One process trains on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Single {}

impl StrategyDefinition for Single {}
