//! Validation on the split that the source itself has for it.

use super::ValidationDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The source's own validation data, such as the `validation` folder of an `image_folder`. It is what holds where the source
/// has some and nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Official {}

impl ValidationDefinition for Official {}
