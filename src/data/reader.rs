//! Reads single examples as the stages want them: kept ones from memory or from a file, others anew, and augmented.

use super::{
    BatchLabels, ChannelSums, Feed, Statistics,
    cache_file::{CacheFile, Content},
    order::Order,
};
use crate::{
    augment::{Augmentation, Draws, Image},
    diagnostic::Result,
    source::{DECODING, Examples, Form, Surroundings},
    stage::Element,
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

/// The bytes of one example, once it was read.
type Kept = OnceLock<Box<[u8]>>;

/// Reads single examples.
pub struct Reader {
    examples: Arc<dyn Examples>,
    form: Form,
    /// What is done before the last cache, and so to the first epoch only.
    frozen: Vec<(Augmentation, Draws)>,
    /// What is done behind it.
    live: Vec<(Augmentation, Draws)>,
    /// How often an example comes at the place of the cache.
    frozen_turns: u32,
    store: Store,
}

/// Where examples are kept, as far as a stage keeps them and the source doesn't have them in memory just so.
enum Store {
    Nowhere,
    Memory(Box<[Kept]>),
    File {
        file: CacheFile,
        /// The place in the file of what is kept in each slot, where it is in it.
        places: Vec<Option<u32>>,
    },
}

impl Reader {
    /// Of `feed`, through the stages of `order`.
    pub fn new(feed: &Feed, order: &Order<'_>) -> Self {
        let stages = order.stages;
        let (mut frozen, mut live) = (Vec::new(), Vec::new());
        let cache = stages.iter().rposition(|stage| stage.freezes_order());
        for (at, stage) in stages.iter().enumerate() {
            let list = if cache.is_some_and(|cache| at < cache) { &mut frozen } else { &mut live };
            let path = format!("{}[{at}]", order.path);
            let own = stage.augmentations().iter().enumerate();
            list.extend(own.map(|(index, augmentation)| (augmentation.clone(), Draws::new(order.seed, &path, index))));
        }
        let mut reader = Reader {
            examples: feed.examples.clone(),
            form: feed.form,
            frozen,
            live,
            frozen_turns: cache.map_or(1, |cache| order.turns(cache)),
            store: Store::Nowhere,
        };
        let keeps = stages.iter().any(|stage| stage.keeps_examples());
        if keeps && !reader.costs_nothing() {
            reader.store = Store::Memory((0..reader.slots()).map(|_| OnceLock::new()).collect());
        }
        reader
    }

    /// Keeps examples in a file in `directory` from now on; it is written first, unless it is there.
    ///
    /// # Errors
    /// Where an example cannot be read, the file cannot be written, or the user wants to stop.
    pub fn keep_in(
        &mut self,
        directory: &Path,
        feed: &Feed,
        order: &Order<'_>,
        workers: &rayon::ThreadPool,
        surroundings: &Surroundings<'_>,
    ) -> Result<()> {
        if self.costs_nothing() {
            return Ok(());
        }
        let cache = order.stages.iter().rposition(|stage| stage.freezes_order()).unwrap_or(0);
        let mut places = vec![None; self.slots()];
        let mut kept = Vec::new();
        for element in order.behind(cache, 0, 0).each() {
            let place = &mut places[self.slot(*element)];
            if place.is_none() {
                *place = Some(kept.len() as u32);
                kept.push(*element);
            }
        }
        let content = Content {
            key: self.key(feed, order, cache, &kept),
            examples: kept.len(),
            example_bytes: self.form.bytes(),
            read: &|index, into| self.read_anew(kept[index], into),
        };
        let file = CacheFile::find_or_make(directory, &content, workers, surroundings)?;
        self.store = Store::File { file, places };
        Ok(())
    }

    /// The digest of all that decides about the bytes that are kept.
    fn key(&self, feed: &Feed, order: &Order<'_>, cache: usize, kept: &[Element]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(format!("trainyard {} {DECODING}\0", env!("CARGO_PKG_VERSION")));
        digest.update(feed.identity());
        digest.update(format!("{:?}", self.form));
        if !self.frozen.is_empty() {
            let stages = serde_json::to_string(&order.stages[..cache]).unwrap_or_default();
            digest.update(format!("{} {} {stages}", order.seed, order.path));
        }
        for element in kept {
            digest.update(element.example.to_le_bytes());
            digest.update(element.turn.to_le_bytes());
        }
        digest.finalize().into()
    }

    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.examples.len()
    }

    /// The labels of examples.
    pub fn labels(&self, elements: &[Element]) -> BatchLabels {
        BatchLabels::of(self.examples.labels(), elements.iter().map(|element| element.example as usize))
    }

    /// What an example is.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether nothing is to be done for these but to copy them.
    pub fn only_copies(&self, elements: &[Element]) -> bool {
        self.live.is_empty()
            && match &self.store {
                Store::Nowhere => self.costs_nothing(),
                Store::Memory(kept) => elements.iter().all(|element| kept[self.slot(*element)].get().is_some()),
                Store::File { .. } => true,
            }
    }

    /// Reads one example for `epoch`.
    ///
    /// # Errors
    /// Where its file cannot be read or decoded.
    pub fn read(&self, element: Element, epoch: u64, into: &mut [u8]) -> Result<()> {
        self.read_kept(element, into)?;
        self.augment(&self.live, epoch, element.turn, element.example, into);
        Ok(())
    }

    /// The example as it leaves the cache, or the source where there is none.
    fn read_kept(&self, element: Element, into: &mut [u8]) -> Result<()> {
        match &self.store {
            Store::Nowhere => self.read_anew(element, into),
            Store::Memory(kept) => {
                let slot = &kept[self.slot(element)];
                match slot.get() {
                    Some(bytes) => into.copy_from_slice(bytes),
                    None => {
                        self.read_anew(element, into)?;
                        // Whoever was first has read the same bytes.
                        let _ = slot.set(into.to_vec().into_boxed_slice());
                    }
                }
                Ok(())
            }
            Store::File { file, places } => {
                match places[self.slot(element)].and_then(|place| file.example(place as usize)) {
                    Some(example) => into.copy_from_slice(example),
                    None => self.read_anew(element, into)?,
                }
                Ok(())
            }
        }
    }

    /// What a cache keeps: the example as the first epoch has it.
    fn read_anew(&self, element: Element, into: &mut [u8]) -> Result<()> {
        self.examples.read(element.example as usize, into)?;
        self.augment(&self.frozen, 0, element.turn % self.frozen_turns, element.example, into);
        Ok(())
    }

    /// What is known of each channel over all examples of the source, as they are before any augmentation.
    ///
    /// # Errors
    /// Where an example cannot be read.
    pub fn statistics(&self, workers: &rayon::ThreadPool) -> Result<Statistics> {
        const PART: usize = 256;
        let part = |first: usize| -> Result<ChannelSums> {
            let mut sums = ChannelSums::new(self.form);
            let mut values = vec![0; self.form.bytes()];
            for example in first..(first + PART).min(self.examples()) {
                match self.frozen.is_empty() {
                    // So that a cache has it from now on.
                    true => self.read_kept(Element { example: example as u32, turn: 0 }, &mut values)?,
                    false => self.examples.read(example, &mut values)?,
                }
                sums.add(self.form, &values);
            }
            Ok(sums)
        };
        let firsts: Vec<usize> = (0..self.examples()).step_by(PART).collect();
        let parts: Vec<ChannelSums> = workers.install(|| firsts.into_par_iter().map(part).collect::<Result<_>>())?;
        // In their order, so that the sums of a table have the same last digits each time.
        let sums = parts.iter().fold(ChannelSums::new(self.form), ChannelSums::join);
        Ok(sums.statistics().unwrap_or_default())
    }

    /// Whether what a cache would keep costs no more than copying anyway.
    fn costs_nothing(&self) -> bool {
        self.examples.in_memory() && self.frozen.is_empty()
    }

    /// Whether every example is what is kept of it, however often it comes.
    pub fn only_chooses(&self) -> bool {
        self.live.is_empty() && (self.costs_nothing() || !matches!(self.store, Store::Nowhere))
    }

    /// Reads what is kept in a slot.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_slot(&self, slot: usize, into: &mut [u8]) -> Result<()> {
        let (turn, example) = (slot / self.examples(), slot % self.examples());
        self.read_kept(Element { example: example as u32, turn: turn as u32 }, into)
    }

    /// How many different examples can be kept.
    pub fn slots(&self) -> usize {
        self.examples() * if self.frozen.is_empty() { 1 } else { self.frozen_turns as usize }
    }

    /// Where an example is kept; each of its occurrences on its own only where these differ.
    pub fn slot(&self, element: Element) -> usize {
        let turn = if self.frozen.is_empty() { 0 } else { (element.turn % self.frozen_turns) as usize };
        turn * self.examples() + element.example as usize
    }

    fn augment(&self, list: &[(Augmentation, Draws)], epoch: u64, turn: u32, example: u32, values: &mut [u8]) {
        // The check refuses to augment what is no image.
        if let Some(shape) = self.form.image().filter(|_| !list.is_empty()) {
            let image = Image { shape, pixels: values.to_vec() };
            let changed = list.iter().fold(image, |image, (augmentation, draws)| {
                augmentation.apply(image, &mut draws.of(epoch, turn, example))
            });
            // The check refuses stages that change the size.
            values.copy_from_slice(&changed.pixels);
        }
    }
}
