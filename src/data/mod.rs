//! The engine that runs an input pipeline: orders, splits, caching, workers, reading ahead.

mod engine;
mod inspect;
mod order;
mod split;

pub use engine::{Batches, HostBatch, InputPipeline};
pub use inspect::{Split, augmented, inspect};
pub use order::{count_steps, epoch};
pub use split::{Subset, fold, stratified};
