//! How the work is spread over devices.

use crate::family;

/// What all strategies share.
pub trait StrategyDefinition {
    /// How many copies of the model work on one global batch.
    fn replicas(&self) -> usize;
}

family! {
    /// How the work is spread over devices.
    pub enum Strategy("strategy"): StrategyDefinition {
        single::Single,
    }
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy::Single(Single {})
    }
}
