//! The engine that runs an input pipeline: orders, splits, caching, workers, reading ahead.

mod cache_file;
mod engine;
mod inspect;
mod order;
mod queue;
mod reader;
mod split;
mod sums;

pub use engine::{Batches, Feed, HostBatch, InputPipeline};
pub use inspect::{Split, augmented, inspect};
pub use order::{Order, count_steps};
pub use split::{Subset, fold, stratified};
pub use sums::{ChannelSums, Statistics};
