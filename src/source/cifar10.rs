//! CIFAR-10 in its official binary layout, from the disk or by download.

use super::{Dataset, Declared, ImageReader, Interpolation, SourceDefinition, Surroundings, cifar::{Layout, SHAPE}};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CIFAR-10: 60,000 colour photographs of 32 by 32 pixels in ten classes, 50,000 for training and 10,000 for testing.
///
/// `cifar-10-batches-bin`, the official binary version, is taken from the data directory where it lies there (or in
/// `cifar10` there), else from the cache. Where it is in neither, it is downloaded once (170 MB) and its checksum
/// verified.
///
/// Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}, {"interpolation": "nearest"}]))]
pub struct Cifar10 {
    /// How an image file that the model is to classify later is brought to 32 by 32 pixels.
    #[serde(default)]
    pub interpolation: Interpolation,
}

pub(super) const LAYOUT: Layout = Layout {
    source: "cifar10",
    title: "CIFAR-10",
    folder: "cifar-10-batches-bin",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    labels: &[(10, "batches.meta.txt")],
    label: 0,
    archive: (
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
    ),
};

impl Cifar10 {
    fn images(&self) -> ImageReader {
        ImageReader::stretching(SHAPE, self.interpolation)
    }
}

impl SourceDefinition for Cifar10 {
    fn declare(&self) -> Declared {
        LAYOUT.declare()
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        LAYOUT.open(self.images(), surroundings)
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        LAYOUT.look(surroundings)
    }
}
