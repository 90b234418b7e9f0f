//! A run's record and its directory: plain data, read and written without tensors.

mod directory;
mod inspection;
mod predictions;
mod provenance;
pub mod pruning;
mod record;
mod repository;
mod section;
pub mod store;

pub use directory::{RunDirectory, RunLock, TEMPLATE, write_atomically};
pub use inspection::{Duplicates, Inspection, SplitInspection, StoredImage, Strip, Thumbnail, Unreadable, Values};
pub use predictions::{read_predictions, write_predictions};
pub use provenance::{Circumstances, DiffFile, Provenance, sha256_hex};
pub use record::*;
pub use section::ReportSection;
