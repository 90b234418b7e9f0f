//! What the model is validated on after each epoch.

use crate::{family, source::Declared};

/// What all ways of validating share.
pub trait ValidationDefinition {
    /// The share of the training data that is split off.
    fn share(&self) -> Option<f64> {
        None
    }

    /// The training examples with those `labels` that stay, and those that are split off, by their index.
    fn divide(&self, _labels: &[u32]) -> Option<(Vec<usize>, Vec<usize>)> {
        None
    }
}

family! {
    /// What the model is validated on after each epoch.
    pub enum Validation("validation"): ValidationDefinition {
        none::None,
        test::Test,
        official::Official,
        split::Split,
        k_fold::KFold,
    }
}

impl Validation {
    /// How many examples are validated on, about: of a share, the same part of every class.
    pub fn examples(&self, declared: &Declared) -> Option<usize> {
        match (self, self.share()) {
            (Validation::Test(_), _) => declared.test,
            (Validation::Official(_), _) => declared.validation,
            (_, None) => Some(0),
            (_, Some(share)) => {
                let classes = declared.classes.unwrap_or(1).max(1) as f64;
                Some(((share * declared.train? as f64 / classes).round() * classes) as usize)
            }
        }
    }

    /// How many examples remain to train on.
    pub fn training_examples(&self, declared: &Declared) -> Option<usize> {
        let off = self.share().map_or(Some(0), |_| self.examples(declared))?;
        Some(declared.train?.saturating_sub(off))
    }
}

impl Default for Validation {
    fn default() -> Self {
        Validation::None(None {})
    }
}
