//! A run's record and its directory: plain data, read and written without tensors.

mod directory;
mod expectation;
mod inspection;
mod predictions;
mod provenance;
pub mod pruning;
mod record;
mod section;
pub mod store;

pub use directory::{RunDirectory, RunLock, TEMPLATE, write_atomically};
pub use expectation::{Baseline, ExpectationResult, Judgement, Numbers};
pub use inspection::{Duplicates, Inspection, SplitInspection, StoredImage, Strip, Thumbnail, Unreadable, Values};
pub use predictions::{read_predictions, write_predictions};
pub use provenance::{Provenance, sha256_hex};
pub use record::*;
pub use section::ReportSection;
