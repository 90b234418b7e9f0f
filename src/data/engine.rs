//! Makes the batches of passes over the data ready on other threads, in their order.

use super::{
    BatchLabels, Statistics,
    buffer::{Buffer, Pool},
    order::Order,
    queue::Queue,
    reader::Reader,
    residency::{Chosen, SharedExamples},
    share::Share,
};
use crate::{
    diagnostic::Result,
    fault,
    random::Purpose,
    source::{Dataset, Examples, Form, ImageReader, Surroundings},
    stage::{Blend, Element, Pair, ReadAhead, Stage, needed},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A batch in the host's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostBatch {
    /// Examples one behind the other, each as its [`Form`] says: of images bytes `[batch, height, width, channels]`.
    pub examples: Buffer,
    /// One label an example.
    pub labels: BatchLabels,
    /// Shares of the classes, `[batch, classes]`, where examples were blended.
    pub shares: Option<Vec<f32>>,
    /// Where the examples lie on a device already, and `examples` is empty.
    pub chosen: Option<Chosen>,
    /// The place of its first example in the batch that it is a stretch of.
    pub first: usize,
    /// How many examples that batch has: as many as this one, where it is all of it.
    pub whole: usize,
}

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

/// Fewer bytes are copied faster by one thread than handed out to several.
const COPIED_ALONE: usize = 256 << 10;

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
            steps: super::count_steps(stages, feed.examples.len()),
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
        let largest = share.places(order.first().map_or(0, Vec::len)).len() * self.reader.form().bytes();
        let queue = Arc::new(Queue::new(ahead, largest));
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
        let into = Closing(queue.clone());
        let thread = std::thread::Builder::new()
            .name("data".to_owned())
            .spawn(move || {
                let later = |pass| Order { stages: &stages, path, examples, seed }.epoch(pass);
                let passes = std::iter::once((pass, order)).chain((pass + 1..).map(|pass| (pass, later(pass))));
                let places = passes.flat_map(|(pass, order)| {
                    order.into_iter().enumerate().map(move |(step, elements)| (pass, step, elements))
                });
                for (pass, step, elements) in places.skip(skipped).take(count).skip(index).step_by(of) {
                    let batch = maker.batch(pass, step, &elements);
                    let failed = batch.is_err();
                    // A closed queue: nobody wants the rest.
                    if !into.0.push(batch) || failed {
                        break;
                    }
                }
            })
            .expect("threads can be started");
        Batches { queue, thread: Some(thread), waited: Duration::ZERO, steps: count.saturating_sub(index).div_ceil(of) }
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

/// Makes batches.
struct Maker {
    reader: Arc<Reader>,
    workers: Arc<rayon::ThreadPool>,
    buffers: Arc<Pool>,
    blendings: Vec<(Stage, Purpose)>,
    classes: usize,
    share: Share,
    resident: Option<SharedExamples>,
}

impl Maker {
    /// The share of a batch of `all`.
    fn batch(&self, pass: u64, step: usize, all: &[Element]) -> Result<HostBatch> {
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
            self.blend(&mut batch, stage, pairs, &places);
        }
        batch.examples.truncate(own.len() * self.reader.form().bytes());
        batch.labels.truncate(own.len());
        if let Some(shares) = &mut batch.shares {
            shares.truncate(own.len() * self.classes);
        }
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

    fn blend(&self, batch: &mut HostBatch, stage: &Stage, pairs: &[Pair], places: &[usize]) {
        let (Some(blending), Some(shape)) = (stage.blending(), self.reader.form().image()) else { return };
        let classes = self.classes;
        let HostBatch { examples: images, labels: BatchLabels::Classes(labels), shares, .. } = batch else { return };
        let targets = shares.get_or_insert_with(|| one_hot(labels, classes));
        Blend { images, shape, targets, places }.apply(blending, pairs);
        for (label, shares) in labels.iter_mut().zip(targets.chunks_exact(classes)) {
            let largest = shares.iter().copied().fold(0.0, f32::max);
            // Of equal shares the example's own counts.
            if shares[*label as usize] < largest {
                *label = shares.iter().position(|share| *share == largest).unwrap_or(0) as i64;
            }
        }
    }
}

fn one_hot(labels: &[i64], classes: usize) -> Vec<f32> {
    let mut shares = vec![0.0; labels.len() * classes];
    labels.iter().enumerate().for_each(|(row, &label)| shares[row * classes + label as usize] = 1.0);
    shares
}

/// Ends the queue with the thread that fills it, however that ends: nobody is to wait for what doesn't come.
struct Closing(Arc<Queue<Result<HostBatch>>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Batches in their order.
pub struct Batches {
    queue: Arc<Queue<Result<HostBatch>>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
    steps: usize,
}

impl Batches {
    /// How long the caller has waited for batches so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How many batches there are in all.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

impl Iterator for Batches {
    type Item = Result<HostBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = self.queue.pop();
        self.waited += start.elapsed();
        if batch.is_none()
            && let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            // A mistake of ours isn't the end of the data.
            std::panic::resume_unwind(panic);
        }
        batch
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // The queue goes first, so that the thread ends with the batch at hand.
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::{Interpolation, Labels},
        stage::{Batch, Cache, Prefetch, Repeat, Shuffle},
    };
    use proptest::prelude::*;
    use serde_json::json;
    use std::{
        path::Path,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    /// Examples whose bytes tell their index, and how often one was read.
    struct Numbered(Vec<u32>, AtomicUsize);

    impl Examples for Numbered {
        fn labels(&self) -> Labels<'_> {
            Labels::Classes(&self.0)
        }

        fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            into.copy_from_slice(&(index as u32).to_le_bytes());
            Ok(())
        }
    }

    fn stage(stage: serde_json::Value) -> Stage {
        serde_json::from_value(stage).unwrap()
    }

    fn augment(list: serde_json::Value) -> Stage {
        stage(json!({"augment": {"augmentations": list}}))
    }

    fn numbered() -> Arc<Numbered> {
        Arc::new(Numbered((0..60).map(|i| i % 4).collect(), AtomicUsize::new(0)))
    }

    fn pipeline_over(examples: Arc<Numbered>, stages: &[Stage], workers: usize) -> InputPipeline {
        let reader = ImageReader::stretching([2, 2, 1], Interpolation::Nearest);
        let form = Form::Image([2, 2, 1]);
        let digest = "numbers".to_owned();
        let feed = Feed { examples, form, classes: 4, digest, reader: Some(reader), part: "train" };
        let stop = AtomicBool::new(false);
        let surroundings =
            Surroundings { data_directory: None, cache_directory: "cache".into(), progress: &|_| (), stop: &stop };
        InputPipeline::new(feed, stages, "dataset.train", 5, workers).with_cache(&surroundings).unwrap()
    }

    fn pipeline(stages: &[Stage], workers: usize) -> InputPipeline {
        pipeline_over(numbered(), stages, workers)
    }

    /// A digest of all that is in batches.
    fn digest(batches: &[HostBatch]) -> Vec<u8> {
        let mut digest = Sha256::new();
        for batch in batches {
            digest.update(&batch.examples[..]);
            batch.labels.classes().iter().for_each(|label| digest.update(label.to_le_bytes()));
            batch.shares.iter().flatten().for_each(|share| digest.update(share.to_le_bytes()));
        }
        digest.finalize().to_vec()
    }

    fn images(pipeline: &InputPipeline, epoch: u64) -> Vec<u8> {
        pipeline.epoch(epoch).flat_map(|batch| batch.unwrap().examples.to_vec()).collect()
    }

    fn in_memory() -> Stage {
        Stage::Cache(Cache::default())
    }

    fn in_directory(directory: &Path) -> Stage {
        Stage::Cache(Cache { directory: Some(directory.to_owned()) })
    }

    fn batch(batch_size: usize) -> Stage {
        Stage::Batch(Batch { batch_size, drop_remainder: false })
    }

    fn shuffle(buffer_size: Option<usize>) -> Stage {
        Stage::Shuffle(Shuffle { buffer_size })
    }

    #[derive(Clone, Copy, Debug)]
    enum Keep {
        Nothing,
        Memory,
        Directory,
    }

    /// All batches of some epochs, beginning with the first one or, as a run that is taken up again, with a later one.
    fn batches(
        workers: usize,
        ahead: Option<usize>,
        keep: Keep,
        random: [bool; 3],
        epochs: std::ops::Range<u64>,
        share: Share,
    ) -> Vec<HostBatch> {
        let directory = tempfile::tempdir().unwrap();
        // The place of a stage is part of its randomness, so all stand where they always do.
        let mut stages = vec![
            match keep {
                Keep::Nothing => Stage::Prefetch(Prefetch { buffer_size: Some(1) }),
                Keep::Memory => in_memory(),
                Keep::Directory => in_directory(directory.path()),
            },
            shuffle(Some(10)),
        ];
        let [augments, repeats, blends] = random;
        if augments {
            stages.push(augment(json!([
                {"random_flip": {}}, {"random_crop": {"padding": 1}}, {"gaussian_noise": {"stddev": 9}}, {"rand_augment": {}}
            ])));
        }
        if repeats {
            stages.push(Stage::Repeat(Repeat { count: 2 }));
        }
        stages.push(batch(7));
        if blends {
            stages.extend([stage(json!({"mixup": {}})), stage(json!({"cutmix": {"probability": 0.5}}))]);
        }
        stages.extend(ahead.map(|ahead| Stage::Prefetch(Prefetch { buffer_size: (ahead > 0).then_some(ahead) })));
        let pipeline = pipeline(&stages, workers);
        let steps = pipeline.steps();
        let of_epoch = |epoch: u64| pipeline.stream(epoch * steps as u64, steps, share).map(|batch| batch.unwrap());
        epochs.flat_map(|epoch| of_epoch(epoch).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn workers_reading_ahead_caches_and_resuming_change_no_batch(
            workers in proptest::sample::select(vec![1usize, 2, 5]),
            ahead in proptest::option::of(0usize..9),
            keep in proptest::sample::select(vec![Keep::Nothing, Keep::Memory, Keep::Directory]),
            random: [bool; 3],
            resumed in 0u64..3,
        ) {
            let plain = batches(1, None, Keep::Nothing, random, 0..3, Share::Whole);
            let skipped = plain.len() / 3 * resumed as usize;
            prop_assert_eq!(batches(workers, ahead, keep, random, resumed..3, Share::Whole), &plain[skipped..]);
        }

        #[test]
        fn the_parts_of_several_processes_are_the_batches_of_one(
            of in 1usize..11,
            workers in 1usize..3,
            keep in proptest::sample::select(vec![Keep::Nothing, Keep::Memory, Keep::Directory]),
            random: [bool; 3],
        ) {
            let plain = batches(1, None, Keep::Nothing, random, 0..2, Share::Whole);
            let shared = |share| batches(workers, Some(2), keep, random, 0..2, share);
            let parts: Vec<_> = (0..of).map(|index| shared(Share::Stretch { index, of })).collect();
            let mut together = Vec::new();
            for step in 0..plain.len() {
                let mut whole = HostBatch::default();
                let (mut examples, mut labels) = (Vec::new(), Vec::new());
                for part in parts.iter().map(|parts| &parts[step]) {
                    prop_assert_eq!((part.first, part.whole), (labels.len(), plain[step].whole));
                    examples.extend_from_slice(&part.examples);
                    labels.extend(part.labels.classes());
                    if let Some(shares) = &part.shares {
                        whole.shares.get_or_insert_default().extend(shares);
                    }
                }
                whole.examples = examples.into();
                let count = labels.len();
                together.push(HostBatch { labels: BatchLabels::Classes(labels), whole: count, ..whole });
            }
            prop_assert_eq!(digest(&together), digest(&plain));
            prop_assert_eq!(&together, &plain);
            // Taking turns, every batch comes once.
            let turns: Vec<_> = (0..of).map(|index| shared(Share::Turns { index, of })).collect();
            let steps = plain.len() / 2;
            for (at, batch) in plain.iter().enumerate() {
                let (epoch, step) = (at / steps, at % steps);
                let before: usize = (0..epoch).map(|_| (steps - step % of).div_ceil(of)).sum();
                prop_assert_eq!(&turns[step % of][before + step / of], batch);
            }
        }
    }

    #[test]
    fn an_epoch_has_every_example_once_with_its_label() {
        let all = batches(2, Some(2), Keep::Memory, [false; 3], 0..1, Share::Whole);
        let mut seen: Vec<u32> = Vec::new();
        for batch in &all {
            assert_eq!(batch.shares, None);
            for (image, label) in batch.examples.as_chunks().0.iter().zip(batch.labels.classes()) {
                seen.push(u32::from_le_bytes(*image));
                assert_eq!(*label, i64::from(u32::from_le_bytes(*image) % 4));
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..60).collect::<Vec<_>>());
    }

    #[test]
    fn blended_examples_tell_their_shares() {
        let all = batches(2, Some(2), Keep::Memory, [false, false, true], 0..1, Share::Whole);
        let mut several = 0;
        for batch in &all {
            let shares = batch.shares.as_ref().unwrap();
            for (shares, &label) in shares.chunks(4).zip(batch.labels.classes()) {
                assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{shares:?}");
                assert!(shares.iter().all(|share| *share <= shares[label as usize]), "{shares:?} {label}");
                several += usize::from(shares.iter().filter(|share| **share > 0.01).count() > 1);
            }
        }
        assert!(several > 10, "{several}");
    }

    #[test]
    fn a_cache_reads_each_example_once() {
        let directory = tempfile::tempdir().unwrap();
        for cache in [in_memory(), in_directory(directory.path())] {
            let examples = numbered();
            let pipeline = pipeline_over(examples.clone(), &[cache.clone(), shuffle(None), batch(7)], 2);
            assert_ne!(images(&pipeline, 0), images(&pipeline, 1));
            assert_eq!(examples.1.load(Ordering::Relaxed), 60);
            // Another run finds what is in a file.
            let again = numbered();
            images(&pipeline_over(again.clone(), &[cache.clone(), shuffle(None), batch(9)], 2), 5);
            let expected = if cache == in_memory() { 60 } else { 0 };
            assert_eq!(again.1.load(Ordering::Relaxed), expected);
        }
        // Only what reaches the cache is in it.
        let examples = numbered();
        let take = stage(json!({"take": {"count": 10}}));
        images(&pipeline_over(examples.clone(), &[take, in_directory(directory.path()), batch(7)], 2), 0);
        assert_eq!(examples.1.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_cache_keeps_what_was_augmented_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let noise = || augment(json!([{"gaussian_noise": {"stddev": 40}}]));
        for cache in [in_memory(), in_directory(directory.path())] {
            let frozen = pipeline(&[noise(), cache.clone(), batch(60)], 2);
            assert_eq!(images(&frozen, 0), images(&frozen, 3));
            let live = pipeline(&[cache.clone(), noise(), batch(60)], 2);
            assert_ne!(images(&live, 0), images(&live, 3));
            // The changes of the first epoch are those that no cache would have kept.
            let bare = pipeline(&[noise(), batch(60)], 2);
            assert_eq!(images(&frozen, 0), images(&bare, 0));
            // Each occurrence has changes of its own, and keeps them.
            let repeated = pipeline(&[noise(), Stage::Repeat(Repeat { count: 2 }), cache, batch(60)], 2);
            let both = images(&repeated, 0);
            assert_eq!(both, images(&repeated, 1));
            assert_ne!(both[..240], both[240..]);
        }
    }

    #[test]
    fn statistics_are_those_of_all_examples_before_augmentation() {
        let noise = augment(json!([{"gaussian_noise": {"stddev": 40}}]));
        let pipeline = pipeline(&[in_memory(), noise, batch(7)], 2);
        let Statistics { mean, variance, .. } = pipeline.statistics().unwrap();
        // A quarter of the bytes are 0 to 59, the others 0.
        assert!((mean[0] - 29.5 / 4.0).abs() < 1e-9, "{mean:?}");
        let squares: f64 = (0..60).map(|i| f64::from(i * i)).sum::<f64>() / 240.0;
        assert!((variance[0] - (squares - mean[0] * mean[0])).abs() < 1e-9, "{variance:?}");
    }

    #[test]
    fn an_epoch_that_is_given_up_ends_its_thread() {
        let pipeline = pipeline(&[batch(2), Stage::Prefetch(Prefetch { buffer_size: Some(1) })], 1);
        let mut batches = pipeline.epoch(0);
        assert!(batches.next().is_some());
        drop(batches);
        assert_eq!(pipeline.epoch(0).count(), 30);
    }

    #[test]
    fn an_example_that_cannot_be_read_ends_the_epoch_with_its_reason() {
        struct Broken(Vec<u32>);
        impl Examples for Broken {
            fn labels(&self) -> Labels<'_> {
                Labels::Classes(&self.0)
            }

            fn read(&self, index: usize, _: &mut [u8]) -> Result<()> {
                Err(Box::new(crate::diagnostic::Diagnostic::error(
                    crate::diagnostic::Code::BAD_IMAGE,
                    format!("{index} is broken"),
                )))
            }
        }
        let whole = pipeline(&[batch(2)], 1);
        let feed = Feed { examples: Arc::new(Broken(vec![0; 5])), ..whole.feed.clone() };
        let mut batches = InputPipeline::new(feed, &[batch(1)], "dataset.train", 0, 1).epoch(0);
        assert_eq!(batches.next().unwrap().unwrap_err().message, "0 is broken");
        assert!(batches.next().is_none());
    }
}
