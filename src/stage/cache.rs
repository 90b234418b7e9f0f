//! Keeps what the first epoch brought, as tf.data's `cache`.
//!
//! In a directory it becomes a file whose name is the digest of all that feeds it, so that another run with the same
//! data takes it over, and one with other data makes its own.

use super::StageDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Keeps decoded examples from the first epoch on, in memory or in a file that later runs use, too; their order is kept with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "directory", "examples" = [{}, {"directory": ".cache"}]))]
pub struct Cache {
    /// A directory for a file with all examples, which is written before the first epoch, for data that don't fit into memory
    /// or take long to decode. It is found again by all runs with the same data, at the same time too. Without it, examples are kept in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-known-as" = ["filename"]))]
    pub directory: Option<PathBuf>,
}

impl StageDefinition for Cache {
    fn freezes_order(&self) -> bool {
        true
    }

    fn keeps_examples(&self) -> bool {
        true
    }

    fn cache_directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }
}
