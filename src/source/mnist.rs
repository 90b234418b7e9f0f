//! MNIST in its official files, from the disk or by download.

use super::{Dataset, Declared, ImageReader, Interpolation, SourceDefinition, Surroundings, idx::{SHAPE, Set}};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// MNIST: 70,000 handwritten digits of 28 by 28 pixels, 60,000 for training and 10,000 for testing.
///
/// The four files, such as `train-images-idx3-ubyte.gz`, gzipped or plain, are taken from `mnist`, `MNIST/raw` or the
/// top of the data directory, else from the cache. Where they are in none of these, they are downloaded once (12 MB) and
/// their checksums verified. Ink is bright on black, in one channel.
///
/// LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}, {"interpolation": "nearest"}]))]
pub struct Mnist {
    /// How an image file that the model is to classify later is brought to 28 by 28 pixels.
    #[serde(default)]
    pub interpolation: Interpolation,
}

pub(super) const SET: Set = Set {
    source: "mnist",
    title: "MNIST",
    folder: "mnist",
    torchvision: "MNIST/raw",
    system: None,
    host: "https://ossci-datasets.s3.amazonaws.com/mnist",
    files: [
        ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
        ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
        ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
    ],
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    help: &[],
};

impl Mnist {
    fn images(&self) -> ImageReader {
        ImageReader::stretching(SHAPE, self.interpolation)
    }
}

impl SourceDefinition for Mnist {
    fn declare(&self) -> Declared {
        SET.declare()
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        SET.open(self.images(), surroundings)
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        SET.look(surroundings)
    }
}
