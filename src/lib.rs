//! Trainyard runs image-classification experiments described in YAML.
//!
//! The way of the data: pipeline file -> [`spec`] -> [`check`] -> [`data`], [`model`] -> [`train`] -> [`evaluate`] ->
//! [`run`] -> [`report`]. `ARCHITECTURE.md` has the map and the invariants.

#![warn(missing_docs)]

pub mod augment;
pub mod callback;
pub mod check;
pub mod cli;
pub mod data;
pub mod device;
pub mod diagnostic;
pub mod distributed;
pub mod evaluate;
pub mod evaluation;
pub mod exact;
pub mod family;
mod fault;
pub mod gate;
mod guard;
pub mod kernel;
pub mod layer;
pub mod lockfile;
pub mod loss;
pub mod machine;
pub mod memo;
pub mod metric;
pub mod model;
pub mod optimizer;
pub mod picture;
pub mod progress;
pub mod random;
pub mod report;
pub mod run;
pub mod schedule;
pub mod source;
pub mod spec;
pub mod stage;
pub mod strategy;
pub mod task;
pub mod tensorboard;
pub mod text;
pub mod train;
