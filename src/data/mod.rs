//! The engine that runs an input pipeline: orders, splits, caching, workers, reading ahead.

mod buffer;
mod cache_file;
mod engine;
mod examine;
mod inspect;
mod labels;
mod order;
mod queue;
mod reader;
mod residency;
mod share;
mod sums;

pub use buffer::Buffer;
pub use engine::{Batches, Feed, HostBatch, InputPipeline};
pub use examine::{OnUnreadable, readable, unreadable};
pub use inspect::{Split, augmented, inspect, strips};
pub use labels::BatchLabels;
pub use order::{Order, count_steps};
pub use residency::{Chosen, SharedExamples};
pub use share::Share;
pub use sums::{ChannelSums, Statistics};
