//! The engine that runs an input pipeline: orders, splits, caching, workers, reading ahead.

mod batch;
mod batches;
mod buffer;
mod cache_file;
mod examine;
mod feed;
mod input_pipeline;
mod inspect;
mod labels;
mod maker;
mod order;
mod queue;
mod reader;
mod residency;
mod share;
mod sums;
#[cfg(test)]
mod tests;

pub use batch::HostBatch;
pub use batches::Batches;
pub use buffer::Buffer;
pub use examine::{OnUnreadable, readable, unreadable};
pub use feed::Feed;
pub use input_pipeline::InputPipeline;
pub use inspect::{Split, augmented, inspect, strips};
pub use labels::BatchLabels;
pub use order::{Order, count_steps};
pub use residency::{Chosen, SharedExamples};
pub use share::Share;
pub use sums::{ChannelSums, Statistics};
