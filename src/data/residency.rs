//! Batches whose examples lie on a device already.

use crate::device::Resident;
use std::sync::Arc;

/// Examples on a device that several passes share.
#[derive(Clone, Debug)]
pub struct SharedExamples(Arc<Resident>);

impl SharedExamples {
    /// Shares these.
    pub fn new(resident: Resident) -> Self {
        SharedExamples(Arc::new(resident))
    }
}

impl std::ops::Deref for SharedExamples {
    type Target = Resident;

    fn deref(&self) -> &Resident {
        &self.0
    }
}

impl PartialEq for SharedExamples {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// All of them.
    pub of: SharedExamples,
    /// Which, in their order.
    pub places: Vec<i64>,
}
