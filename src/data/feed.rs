//! What goes into an input pipeline: the examples of a part of a source, and what is known of them.

use crate::source::{Dataset, Examples, Form, ImageReader};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The examples that go into an input pipeline.
#[derive(Clone)]
pub struct Feed {
    /// The examples.
    pub examples: Arc<dyn Examples>,
    /// What each of them is.
    pub form: Form,
    /// How many classes they are of.
    pub classes: usize,
    /// Digest of the source.
    pub digest: String,
    /// How the source makes examples of images.
    pub reader: Option<ImageReader>,
    /// Which part of the source it is, such as `train`.
    pub part: &'static str,
}

impl Feed {
    /// `examples`, which are the `part` of `dataset`.
    pub fn new(dataset: &Dataset, examples: Arc<dyn Examples>, part: &'static str) -> Self {
        let Dataset { form, digest, reader, .. } = dataset;
        Feed { examples, form: *form, classes: dataset.classes.len(), digest: digest.clone(), reader: *reader, part }
    }

    /// A digest of the bytes and the order of the examples.
    pub fn identity(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(format!("{} {} {:?} {}\0", self.digest, self.part, self.reader, self.examples.len()));
        self.examples.identify(&mut |index| digest.update((index as u64).to_le_bytes()));
        digest.finalize().into()
    }
}
