//! The steps of an input pipeline, with tf.data's order semantics, one file a stage.
//!
//! A stage changes the order of an epoch: the list of batches, each a list of examples. That list is a pure function of
//! the seed, the epoch and the stages, so no thread can change it. What takes time, reading, decoding and augmenting, is
//! left to the data engine, which asks the stages only whether to keep examples, how to change them and how far to read ahead.

use crate::{augment::Augmentation, family};

/// What an epoch consists of at some point between the source and the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Single examples, by their index in the source.
    Examples(Vec<u32>),
    /// Batches of examples.
    Batches(Vec<Vec<u32>>),
}

impl Elements {
    /// How many elements.
    pub fn len(&self) -> usize {
        match self {
            Elements::Examples(examples) => examples.len(),
            Elements::Batches(batches) => batches.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which epoch of which stage is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The pipeline's seed.
    pub seed: u64,
    /// Where the stage stands: `dataset.train[1]`.
    pub path: &'a str,
    /// The epoch, from 0.
    pub epoch: u64,
}

/// What all stages share.
pub trait StageDefinition {
    /// Turns the elements before the stage into those behind it.
    fn apply(&self, elements: Elements, occasion: Occasion<'_>) -> Elements;

    /// Whether every epoch repeats the elements of the first one from here on.
    fn freezes_order(&self) -> bool {
        false
    }

    /// Whether decoded examples are kept.
    fn keeps_examples(&self) -> bool {
        false
    }

    /// What is done to every example.
    fn augmentations(&self) -> &[Augmentation] {
        &[]
    }

    /// How many batches are made ready ahead of the model.
    fn read_ahead(&self) -> Option<usize> {
        None
    }

    /// The number of examples in a batch, where this stage makes batches.
    fn batch_size(&self) -> Option<usize> {
        None
    }
}

family! {
    /// A step of the input pipeline, in tf.data's words and order semantics.
    pub enum Stage("stage"): StageDefinition {
        cache::Cache,
        augment::Augment,
        shuffle::Shuffle,
        batch::Batch,
        prefetch::Prefetch,
        take::Take,
        skip::Skip,
        shard::Shard,
    }
}
