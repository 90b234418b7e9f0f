//! Fashion-MNIST in its official files, from the disk or by download.

use super::{Dataset, Declared, ImageReader, Interpolation, SourceDefinition, Surroundings, idx::{SHAPE, Set}};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fashion-MNIST: 70,000 pictures of clothes of 28 by 28 pixels in ten classes, 60,000 for training and 10,000 for testing.
///
/// The four files, such as `train-images-idx3-ubyte.gz`, gzipped or plain, are taken from `fashion-mnist`,
/// `FashionMNIST/raw` or the top of the data directory, else from the cache, else from where Debian's package
/// `dataset-fashion-mnist` puts them. Where they are in none of these, they are downloaded once (31 MB) and their
/// checksums verified. Clothes are bright on black, in one channel.
///
/// Xiao, Rasul and Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}, {"interpolation": "nearest"}]))]
pub struct FashionMnist {
    /// How an image file that the model is to classify later is brought to 28 by 28 pixels.
    #[serde(default)]
    pub interpolation: Interpolation,
}

pub(super) const SET: Set = Set {
    source: "fashion_mnist",
    title: "Fashion-MNIST",
    folder: "fashion-mnist",
    torchvision: "FashionMNIST/raw",
    system: Some("/usr/share/datasets/fashion-mnist"),
    host: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    files: [
        ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
        ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
        ("67da17c76eaffca5446c3361aaab5c43cd6d1c2608764d35dfb1850b086bf8d5", 5_148),
    ],
    classes: ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
    help: &["on Debian, `apt-get install dataset-fashion-mnist` brings it"],
};

impl FashionMnist {
    fn images(&self) -> ImageReader {
        ImageReader::stretching(SHAPE, self.interpolation)
    }
}

impl SourceDefinition for FashionMnist {
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
