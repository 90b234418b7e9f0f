//! Rewritings of the row of operations that keep what it computes: one file a pass.

mod pool_before_activation;

pub use pool_before_activation::pool_before_activation;
