//! Makes single batches: reads their examples on all workers, and blends them.

use super::{Buffer, Chosen, HostBatch, Share, SharedExamples, buffer::Pool, reader::Reader};
use crate::{
    diagnostic::Result,
    fault,
    random::Purpose,
    stage::{Element, Pair, Stage, needed},
};
use rayon::prelude::*;
use std::sync::Arc;

/// Fewer bytes are copied faster by one thread than handed out to several.
const COPIED_ALONE: usize = 256 << 10;

/// Makes batches.
pub struct Maker {
    pub reader: Arc<Reader>,
    pub workers: Arc<rayon::ThreadPool>,
    pub buffers: Arc<Pool>,
    /// The stages that blend examples, each with its random numbers.
    pub blendings: Vec<(Stage, Purpose)>,
    /// How many classes examples are of.
    pub classes: usize,
    /// What it makes of each batch.
    pub share: Share,
    /// Where batches only tell which of these they are of.
    pub resident: Option<SharedExamples>,
}

impl Maker {
    /// The share of a batch of `all`, the `step`-th of a pass.
    ///
    /// # Errors
    /// Where an example cannot be read.
    pub fn batch(&self, pass: u64, step: usize, all: &[Element]) -> Result<HostBatch> {
        fault::batch();
        let own = self.share.places(all.len());
        if let Some(resident) = &self.resident {
            let elements = &all[own.clone()];
            let labels = self.reader.labels(elements);
            let places = elements.iter().map(|element| self.reader.slot(*element) as i64).collect();
            let chosen = Some(Chosen { of: resident.clone(), places });
            return Ok(HostBatch { labels, chosen, first: own.start, whole: all.len(), ..HostBatch::default() });
        }
        let blendings = self.pairs(pass, step, all.len());
        // Behind its own examples those that they are blended with.
        let places = needed(own.clone(), &blendings);
        let elements: Vec<Element> = places.iter().map(|&place| all[place]).collect();
        let examples = self.read(pass, &elements)?;
        let labels = self.reader.labels(&elements);
        let mut batch = HostBatch { examples, labels, first: own.start, whole: all.len(), ..HostBatch::default() };
        for ((stage, _), pairs) in self.blendings.iter().zip(&blendings) {
            if let (Some(blending), Some(shape)) = (stage.blending(), self.reader.form().image()) {
                batch.blend(blending, pairs, &places, shape, self.classes);
            }
        }
        batch.truncate(own.len(), self.reader.form().bytes(), self.classes);
        Ok(batch)
    }

    /// The examples, one behind the other.
    fn read(&self, pass: u64, elements: &[Element]) -> Result<Buffer> {
        let example_bytes = self.reader.form().bytes();
        let mut examples = self.buffers.take(elements.len() * example_bytes);
        let read = |(&element, into): (&Element, &mut [u8])| self.reader.read(element, pass, into);
        match self.reader.only_copies(elements) {
            true if examples.len() <= COPIED_ALONE => {
                elements.iter().zip(examples.chunks_mut(example_bytes)).try_for_each(read)?;
            }
            true => {
                // Each thread has a stretch of its own: handing out single examples would cost more than copying them.
                let stretch = elements.len().div_ceil(self.workers.current_num_threads());
                let parts = elements.par_chunks(stretch).zip(examples.par_chunks_mut(stretch * example_bytes));
                self.workers.install(|| {
                    parts.try_for_each(|(elements, into)| {
                        elements.iter().zip(into.chunks_mut(example_bytes)).try_for_each(read)
                    })
                })?;
            }
            false => self
                .workers
                .install(|| elements.par_iter().zip(examples.par_chunks_mut(example_bytes)).try_for_each(read))?,
        }
        Ok(examples)
    }

    /// Which of so many examples each stage that blends brings together.
    fn pairs(&self, pass: u64, step: usize, examples: usize) -> Vec<Vec<Pair>> {
        // The check refuses to blend what is no image.
        let Some(shape) = self.reader.form().image() else { return Vec::new() };
        let blendings = self.blendings.iter().filter_map(|(stage, purpose)| Some((stage.blending()?, purpose)));
        blendings.map(|(it, purpose)| it.pairs(examples, shape, &mut purpose.stream(pass, step as u32))).collect()
    }
}
