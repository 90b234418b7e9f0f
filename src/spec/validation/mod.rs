//! What the model is validated on after each epoch.

use crate::{family, source::Declared};

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

impl Validation {
    /// How many examples are validated on, about: of a share, the same part of every class.
    pub fn examples(&self, declared: &Declared) -> Option<usize> {
        match self {
            Validation::None(_) => Some(0),
            Validation::Test(_) => declared.test,
            Validation::Split(split) => {
                let classes = declared.classes.unwrap_or(1).max(1) as f64;
                Some(((split.share * declared.train? as f64 / classes).round() * classes) as usize)
            }
        }
    }

    /// How many examples remain to train on.
    pub fn training_examples(&self, declared: &Declared) -> Option<usize> {
        let off = self.split().map_or(Some(0), |_| self.examples(declared))?;
        Some(declared.train?.saturating_sub(off))
    }
}

impl Default for Validation {
    fn default() -> Self {
        Validation::None(None {})
    }
}
