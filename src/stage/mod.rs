//! The steps of an input pipeline, with tf.data's order semantics, one file a stage.
//!
//! A stage changes the order of an epoch: the list of batches, each a list of examples. That list is a pure function of
//! the seed, the epoch and the stages, so no thread can change it. What takes time, reading, decoding and augmenting, is
//! left to the data engine, which asks the stages only whether to keep examples, how to change them and how far to read ahead.

mod blend;

pub use blend::{Blend, Blending, Pair, needed};

use crate::{augment::Augmentation, family};
use std::path::Path;

/// One occurrence of an example in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// Its index in the source.
    pub example: u32,
    /// How often it has come before in the same epoch: behind `repeat` an example comes several times, and each time is
    /// augmented anew.
    pub turn: u32,
}

/// What an epoch consists of at some point between the source and the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Single examples.
    Examples(Vec<Element>),
    /// Batches of examples.
    Batches(Vec<Vec<Element>>),
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

    /// All of a source with so many examples, in its order.
    pub fn all(examples: usize) -> Self {
        Elements::Examples((0..examples as u32).map(|example| Element { example, turn: 0 }).collect())
    }

    /// Every example, batched or not.
    pub fn each(&mut self) -> Box<dyn Iterator<Item = &mut Element> + '_> {
        match self {
            Elements::Examples(examples) => Box::new(examples.iter_mut()),
            Elements::Batches(batches) => Box::new(batches.iter_mut().flatten()),
        }
    }

    /// These, and then those.
    pub fn chain(self, more: Elements) -> Elements {
        match (self, more) {
            (Elements::Examples(mut examples), Elements::Examples(more)) => {
                examples.extend(more);
                Elements::Examples(examples)
            }
            (Elements::Batches(mut batches), Elements::Batches(more)) => {
                batches.extend(more);
                Elements::Batches(batches)
            }
            (_, other) => other,
        }
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
    /// Which pass within the epoch, from 0, where a `repeat` behind the stage asks for several.
    pub turn: u32,
}

/// How often an example passes `stages` in an epoch.
pub fn repetitions(stages: &[Stage]) -> u64 {
    stages.iter().fold(1, |times: u64, stage| times.saturating_mul(stage.repetitions().into()))
}

/// How many batches are made ready ahead of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAhead {
    /// So many.
    Fixed(usize),
    /// As many as it takes for the model not to wait.
    Automatic,
}

/// What all stages share.
pub trait StageDefinition {
    /// Turns the elements before the stage into those behind it; most stages leave them as they are.
    fn apply(&self, elements: Elements, _: Occasion<'_>) -> Elements {
        elements
    }

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

    /// Where decoded examples are kept, if not in memory.
    fn cache_directory(&self) -> Option<&Path> {
        None
    }

    /// How often an epoch passes what comes before.
    fn repetitions(&self) -> u32 {
        1
    }

    /// What is done to every batch.
    fn blending(&self) -> Option<&dyn Blending> {
        None
    }

    /// How many batches are made ready ahead of the model.
    fn read_ahead(&self) -> Option<ReadAhead> {
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
        repeat::Repeat,
        mixup::Mixup,
        cutmix::Cutmix,
    }
}
