//! How the work is spread over devices.

mod count;
mod extent;

pub use count::Count;
pub use data_parallel::Backend;

use crate::family;

/// What all strategies share.
pub trait StrategyDefinition {
    /// How several processes share the work, where they do.
    fn data_parallel(&self) -> Option<&DataParallel> {
        None
    }
}

family! {
    /// How the work is spread over devices.
    pub enum Strategy("strategy"): StrategyDefinition {
        single::Single,
        data_parallel::DataParallel,
    }
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy::Single(Single {})
    }
}
