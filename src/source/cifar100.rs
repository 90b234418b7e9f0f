//! CIFAR-100 in its official binary layout, from the disk or by download.

use super::{Dataset, Declared, ImageReader, Interpolation, SourceDefinition, Surroundings, cifar::{Layout, SHAPE}};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CIFAR-100: 60,000 colour photographs of 32 by 32 pixels in a hundred classes, 50,000 for training and 10,000 for
/// testing.
///
/// `cifar-100-binary`, the official binary version, is taken from the data directory where it lies there (or in
/// `cifar100` there), else from the cache. Where it is in neither, it is downloaded once (169 MB) and its checksum
/// verified.
///
/// Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "labels", "examples" = [{}, {"labels": "coarse"}]))]
pub struct Cifar100 {
    /// Which of an image's two labels is learnt.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["label_mode"]))]
    pub labels: Labels,
    /// How an image file that the model is to classify later is brought to 32 by 32 pixels.
    #[serde(default)]
    pub interpolation: Interpolation,
}

/// Which labels of CIFAR-100 are learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// A hundred classes, such as `oak_tree`.
    #[default]
    Fine,
    /// Twenty groups of five of them, such as `trees`.
    Coarse,
}

const FINE: Layout = Layout {
    source: "cifar100",
    title: "CIFAR-100",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    labels: &[(20, "coarse_label_names.txt"), (100, "fine_label_names.txt")],
    label: 1,
    archive: (
        "cifar-100-binary.tar.gz",
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        168_513_733,
    ),
};

const COARSE: Layout = Layout { label: 0, ..FINE };

impl Cifar100 {
    fn layout(&self) -> &'static Layout {
        match self.labels {
            Labels::Fine => &FINE,
            Labels::Coarse => &COARSE,
        }
    }
}

impl Cifar100 {
    fn images(&self) -> ImageReader {
        ImageReader::stretching(SHAPE, self.interpolation)
    }
}

impl SourceDefinition for Cifar100 {
    fn declare(&self) -> Declared {
        self.layout().declare()
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        self.layout().open(self.images(), surroundings)
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        self.layout().look(surroundings)
    }
}
