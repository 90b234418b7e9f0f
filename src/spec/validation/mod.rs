//! What the model is validated on after each epoch.

use crate::family;

/// What all ways of validating share.
pub trait ValidationDefinition {
    /// The share of the training data that is split off, with the seed that decides which examples.
    fn split(&self) -> Option<(f64, u64)> {
        None
    }
}

family! {
    /// What the model is validated on after each epoch.
    pub enum Validation("validation"): ValidationDefinition {
        none::None,
        test::Test,
        split::Split,
    }
}

impl Default for Validation {
    fn default() -> Self {
        Validation::None(None {})
    }
}
