//! A source with its stages, which gives batches of any pass over the data.

use super::{
    BatchLabels, Batches, Feed, HostBatch, Order, Share, SharedExamples, Statistics, buffer::Pool, count_steps,
    maker::Maker, reader::Reader,
};
use crate::{
    diagnostic::Result,
    random::Purpose,
    source::{Form, Surroundings},
    stage::{ReadAhead, Stage},
};
use rayon::prelude::*;
use std::sync::Arc;

/// A source with its stages: gives the batches of any epoch.
pub struct InputPipeline {
    feed: Feed,
    reader: Arc<Reader>,
    stages: Vec<Stage>,
    path: &'static str,
    seed: u64,
    workers: Arc<rayon::ThreadPool>,
    buffers: Arc<Pool>,
    /// Batches in a pass.
    steps: usize,
    resident: Option<SharedExamples>,
}

impl InputPipeline {
    /// `stages`, which stand at `path`, over `feed`. `workers` threads read, decode and augment; how many changes no
    /// batch.
    pub fn new(feed: Feed, stages: &[Stage], path: &'static str, seed: u64, workers: usize) -> Self {
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|index| format!("data-{index}"))
            .build()
            .expect("threads can be started");
        let order = Order { stages, path, examples: feed.examples.len(), seed };
        let reader = Arc::new(Reader::new(&feed, &order));
        InputPipeline {
            steps: count_steps(stages, feed.examples.len()),
            feed,
            reader,
            stages: stages.to_vec(),
            path,
            seed,
            workers: Arc::new(workers),
            buffers: Arc::default(),
            resident: None,
        }
    }

    /// The same, with a `cache` in a directory filled or found again.
    ///
    /// # Errors
    /// Where an example cannot be read, the file cannot be written, or the user wants to stop.
    pub fn with_cache(mut self, surroundings: &Surroundings<'_>) -> Result<Self> {
        let last = self.stages.iter().rev().find(|stage| stage.keeps_examples());
        if let Some(directory) = last.and_then(|stage| stage.cache_directory()) {
            let mut reader = Reader::new(&self.feed, &self.order());
            reader.keep_in(directory, &self.feed, &self.order(), &self.workers, surroundings)?;
            self.reader = Arc::new(reader);
        }
        Ok(self)
    }

    /// How much memory all examples take as batches are made of them, where a batch is nothing but a choice among them.
    pub fn choice_bytes(&self) -> Option<u64> {
        let chooses = self.reader.only_chooses() && self.blendings().is_empty();
        chooses.then(|| self.reader.slots() as u64 * self.form().bytes() as u64)
    }

    /// All those examples, one behind the other.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn choice(&self) -> Result<Vec<u8>> {
        let mut all = vec![0; self.reader.slots() * self.form().bytes()];
        let slots = all.par_chunks_mut(self.form().bytes()).enumerate();
        self.workers.install(|| slots.try_for_each(|(slot, into)| self.reader.read_slot(slot, into)))?;
        Ok(all)
    }

    /// Batches from now on tell only where their examples lie among those of [`InputPipeline::choice`].
    pub fn choose_from(&mut self, resident: SharedExamples) {
        self.resident = Some(resident);
    }

    fn order(&self) -> Order<'_> {
        Order { stages: &self.stages, path: self.path, examples: self.examples(), seed: self.seed }
    }

    /// How many examples the source has.
    pub fn examples(&self) -> usize {
        self.reader.examples()
    }

    /// Batches in a pass.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The examples of the first epoch, in the order in which they come.
    pub fn indices(&self) -> Vec<usize> {
        self.order().epoch(0).iter().flatten().map(|element| element.example as usize).collect()
    }

    /// How many classes examples are of.
    pub fn classes(&self) -> usize {
        self.feed.classes
    }

    /// What every example is.
    pub fn form(&self) -> Form {
        self.feed.form
    }

    /// What is known of each channel over all examples, before any augmentation.
    ///
    /// # Errors
    /// Where an example cannot be read.
    pub fn statistics(&self) -> Result<Statistics> {
        self.reader.statistics(&self.workers)
    }

    /// So many examples as they come from the source, spread evenly over it.
    ///
    /// # Errors
    /// Where an example cannot be read.
    pub fn sample(&self, count: usize) -> Result<HostBatch> {
        let (all, bytes) = (self.examples(), self.form().bytes());
        let count = count.min(all);
        let mut batch = HostBatch { examples: self.buffers.take(count * bytes), ..HostBatch::default() };
        let into = batch.examples.par_chunks_mut(bytes).enumerate();
        self.workers.install(|| into.try_for_each(|(at, into)| self.feed.examples.read(at * all / count, into)))?;
        batch.labels = BatchLabels::of(self.feed.examples.labels(), (0..count).map(|at| at * all / count));
        batch.whole = count;
        Ok(batch)
    }

    /// The batches of the pass `epoch`, from 0, made ready in the background.
    pub fn epoch(&self, epoch: u64) -> Batches {
        self.stream(epoch * self.steps as u64, self.steps, Share::Whole)
    }

    /// What `share` is of so many batches from the `first` on, counted from 0 through all passes, which follow each other. They are
    /// made ready in the background; of the rest nothing is read.
    pub fn stream(&self, first: u64, count: usize, share: Share) -> Batches {
        let steps = self.steps.max(1) as u64;
        let (pass, skipped) = (first / steps, (first % steps) as usize);
        let order = self.order().epoch(pass);
        let count = if order.is_empty() { 0 } else { count };
        let ahead: Option<ReadAhead> = self.stages.iter().rev().find_map(|stage| stage.read_ahead());
        let largest = share.places(order.first().map_or(0, Vec::len)).len() * self.form().bytes();
        let maker = Maker {
            reader: self.reader.clone(),
            workers: self.workers.clone(),
            buffers: self.buffers.clone(),
            blendings: self.blendings(),
            classes: self.feed.classes,
            share,
            resident: self.resident.clone(),
        };
        let (index, of) = share.batches();
        let (stages, path, examples, seed) = (self.stages.clone(), self.path, self.examples(), self.seed);
        let later = move |pass| Order { stages: &stages, path, examples, seed }.epoch(pass);
        let passes = std::iter::once((pass, order)).chain((pass + 1..).map(move |pass| (pass, later(pass))));
        let places = passes.flat_map(|(pass, order)| {
            order.into_iter().enumerate().map(move |(step, elements)| (pass, step, elements))
        });
        let own = places.skip(skipped).take(count).skip(index).step_by(of);
        let batches = own.map(move |(pass, step, elements)| maker.batch(pass, step, &elements));
        Batches::begin(batches, count.saturating_sub(index).div_ceil(of), ahead, largest)
    }

    /// The stages that blend examples, each with its random numbers. The check refuses a cache behind them.
    fn blendings(&self) -> Vec<(Stage, Purpose)> {
        let blends = self.stages.iter().enumerate().filter(|(_, stage)| stage.blending().is_some());
        let with_draws = blends.map(|(at, stage)| {
            let purpose = Purpose::new(self.seed, &format!("{}/{}[{at}]", stage.name(), self.path));
            (stage.clone(), purpose)
        });
        with_draws.collect()
    }
}
