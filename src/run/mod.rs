//! A run's record and its directory: plain data, read and written without tensors.

pub mod checkpoint;
mod directory;
mod expectation;
mod files;
mod inspection;
mod predictions;
mod provenance;
pub mod pruning;
mod range_test;
mod record;
mod repository;
mod section;
mod seeds;
pub mod store;
pub mod weights_file;

pub use directory::{LOSSES, RunDirectory, RunLock, TEMPLATE};
pub use expectation::{Baseline, ExpectationResult, Judgement, Numbers};
pub use files::write_atomically;
pub use inspection::{
    Duplicates, Inspection, SplitInspection, StoredImage, Strip, Targets, Thumbnail, Unreadable, Values,
};
pub use predictions::{read_answers, read_predictions, write_predictions};
pub use provenance::{Circumstances, DiffFile, Provenance, sha256_hex};
pub use range_test::{RangeTest, Tried};
pub use record::*;
pub use section::ReportSection;
pub use seeds::{SEEDS, SeedRun, Seeds, Spread};
