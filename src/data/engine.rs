//! Makes the batches of an epoch ready on other threads, in their order.

use super::order;
use crate::{
    augment::{Augmentation, Draws, Image},
    diagnostic::Result,
    source::Examples,
    stage::Stage,
};
use rayon::prelude::*;
use std::{
    sync::{Arc, OnceLock, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A batch in the host's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    /// Bytes, `[batch, height, width, channels]`.
    pub images: Vec<u8>,
    /// One label an example.
    pub labels: Vec<i64>,
}

/// The bytes of one example, once it was read.
type Kept = OnceLock<Box<[u8]>>;

/// A source with its stages: gives the batches of any epoch.
pub struct InputPipeline {
    reader: Arc<Reader>,
    stages: Vec<Stage>,
    path: &'static str,
    seed: u64,
    workers: Arc<rayon::ThreadPool>,
}

/// Reads single examples as the stages want them.
struct Reader {
    examples: Arc<dyn Examples>,
    shape: [usize; 3],
    /// What is done before the last cache, and so to the first epoch only.
    frozen: Vec<(Augmentation, Draws)>,
    /// What is done behind it.
    live: Vec<(Augmentation, Draws)>,
    /// Examples, where a stage keeps them and the source doesn't have them in memory just so.
    kept: Option<Box<[Kept]>>,
}

impl InputPipeline {
    /// `stages`, which stand at `path`, over `examples` of `shape` (`[height, width, channels]`). `workers` threads read,
    /// decode and augment; how many changes no batch.
    pub fn new(
        examples: Arc<dyn Examples>,
        shape: [usize; 3],
        stages: &[Stage],
        path: &'static str,
        seed: u64,
        workers: usize,
    ) -> Self {
        let (mut frozen, mut live) = (Vec::new(), Vec::new());
        let cache = stages.iter().rposition(|stage| stage.freezes_order());
        for (at, stage) in stages.iter().enumerate() {
            let list = if cache.is_some_and(|cache| at < cache) { &mut frozen } else { &mut live };
            let path = format!("{path}[{at}]");
            let own = stage.augmentations().iter().enumerate();
            list.extend(own.map(|(index, augmentation)| (augmentation.clone(), Draws::new(seed, &path, index))));
        }
        let keeps = stages.iter().any(|stage| stage.keeps_examples());
        let keeps = keeps && (!examples.in_memory() || !frozen.is_empty());
        let kept = keeps.then(|| (0..examples.len()).map(|_| OnceLock::new()).collect());
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|index| format!("data-{index}"))
            .build()
            .expect("threads can be started");
        InputPipeline {
            reader: Arc::new(Reader { examples, shape, frozen, live, kept }),
            stages: stages.to_vec(),
            path,
            seed,
            workers: Arc::new(workers),
        }
    }

    /// How many examples the source has.
    pub fn examples(&self) -> usize {
        self.reader.examples.len()
    }

    /// Batches in an epoch.
    pub fn steps(&self) -> usize {
        order::count_steps(&self.stages, self.examples())
    }

    /// The batches of `epoch`, from 0, made ready in the background.
    pub fn epoch(&self, epoch: u64) -> Batches {
        let order = order::epoch(&self.stages, self.path, self.examples(), self.seed, epoch);
        let ahead = self.stages.iter().rev().find_map(|stage| stage.read_ahead()).unwrap_or(0);
        let (sender, receiver) = mpsc::sync_channel(ahead);
        let (reader, workers) = (self.reader.clone(), self.workers.clone());
        let steps = order.len();
        let thread = std::thread::Builder::new()
            .name("data".to_owned())
            .spawn(move || {
                for indices in order {
                    let batch = reader.batch(&indices, epoch, &workers);
                    let failed = batch.is_err();
                    // A closed channel: nobody wants the rest.
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            })
            .expect("threads can be started");
        Batches { receiver: Some(receiver), thread: Some(thread), waited: Duration::ZERO, steps }
    }
}

impl Reader {
    fn batch(&self, indices: &[u32], epoch: u64, workers: &rayon::ThreadPool) -> Result<HostBatch> {
        let example_bytes = self.shape.iter().product();
        let mut images = vec![0; indices.len() * example_bytes];
        let read = |(&index, into): (&u32, &mut [u8])| self.read(index, epoch, into);
        let ready = match &self.kept {
            Some(kept) => indices.iter().all(|&index| kept[index as usize].get().is_some()),
            None => self.examples.in_memory() && self.frozen.is_empty(),
        };
        if ready && self.live.is_empty() {
            // Copying is faster than handing out.
            indices.iter().zip(images.chunks_mut(example_bytes)).try_for_each(read)?;
        } else {
            workers.install(|| indices.par_iter().zip(images.par_chunks_mut(example_bytes)).try_for_each(read))?;
        }
        let labels = indices.iter().map(|&index| i64::from(self.examples.labels()[index as usize])).collect();
        Ok(HostBatch { images, labels })
    }

    fn read(&self, index: u32, epoch: u64, into: &mut [u8]) -> Result<()> {
        match self.kept.as_ref().map(|kept| &kept[index as usize]) {
            None => self.read_anew(index, into)?,
            Some(slot) => match slot.get() {
                Some(bytes) => into.copy_from_slice(bytes),
                None => {
                    self.read_anew(index, into)?;
                    // Whoever was first has read the same bytes.
                    let _ = slot.set(into.to_vec().into_boxed_slice());
                }
            },
        }
        self.augment(&self.live, epoch, index, into);
        Ok(())
    }

    /// What a cache keeps: the example as the first epoch has it.
    fn read_anew(&self, index: u32, into: &mut [u8]) -> Result<()> {
        self.examples.read(index as usize, into)?;
        self.augment(&self.frozen, 0, index, into);
        Ok(())
    }

    fn augment(&self, list: &[(Augmentation, Draws)], epoch: u64, index: u32, values: &mut [u8]) {
        if !list.is_empty() {
            let image = Image { shape: self.shape, pixels: values.to_vec() };
            let changed = list
                .iter()
                .fold(image, |image, (augmentation, draws)| augmentation.apply(image, &mut draws.of(epoch, index)));
            // The check refuses stages that change the size.
            values.copy_from_slice(&changed.pixels);
        }
    }
}

/// The batches of one epoch, in order.
pub struct Batches {
    receiver: Option<mpsc::Receiver<Result<HostBatch>>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
    steps: usize,
}

impl Batches {
    /// How long the caller has waited for batches so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How many batches the epoch has.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

impl Iterator for Batches {
    type Item = Result<HostBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let batch = self.receiver.as_ref()?.recv().ok();
        self.waited += start.elapsed();
        batch
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // The channel goes first, so that the thread ends with the batch at hand.
        self.receiver.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Batch, Cache, Prefetch, Shuffle};
    use proptest::prelude::*;

    /// Examples whose bytes tell their index.
    struct Numbered(Vec<u32>);

    impl Examples for Numbered {
        fn labels(&self) -> &[u32] {
            &self.0
        }

        fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
            into.copy_from_slice(&(index as u32).to_le_bytes());
            Ok(())
        }
    }

    fn augment(list: serde_json::Value) -> Stage {
        serde_json::from_value(serde_json::json!({"augment": {"augmentations": list}})).unwrap()
    }

    fn pipeline(stages: &[Stage], workers: usize) -> InputPipeline {
        let examples = Arc::new(Numbered((0..60).map(|i| i % 4).collect()));
        InputPipeline::new(examples, [2, 2, 1], stages, "dataset.train", 5, workers)
    }

    fn images(pipeline: &InputPipeline, epoch: u64) -> Vec<u8> {
        pipeline.epoch(epoch).flat_map(|batch| batch.unwrap().images).collect()
    }

    fn batches(workers: usize, ahead: Option<usize>, cache: bool, augments: bool, epochs: u64) -> Vec<HostBatch> {
        // The place of a stage is part of its randomness, so all stand where they always do.
        let mut stages = vec![
            if cache { Stage::Cache(Cache {}) } else { Stage::Prefetch(Prefetch { buffer_size: Some(1) }) },
            Stage::Shuffle(Shuffle { buffer_size: Some(10) }),
        ];
        if augments {
            stages.push(augment(serde_json::json!([
                {"random_flip": {}}, {"random_crop": {"padding": 1}}, {"gaussian_noise": {"stddev": 9}}, {"rand_augment": {}}
            ])));
        }
        stages.push(Stage::Batch(Batch { batch_size: 7, drop_remainder: false }));
        if let Some(ahead) = ahead {
            stages.push(Stage::Prefetch(Prefetch { buffer_size: Some(ahead) }));
        }
        let pipeline = pipeline(&stages, workers);
        (0..epochs).flat_map(|epoch| pipeline.epoch(epoch).map(|batch| batch.unwrap()).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn workers_reading_ahead_and_cache_change_no_batch(
            workers in 1usize..6, ahead in proptest::option::of(1usize..9), cache: bool, augments: bool,
        ) {
            prop_assert_eq!(batches(workers, ahead, cache, augments, 3), batches(1, None, false, augments, 3));
        }
    }

    #[test]
    fn augmentation_before_a_cache_is_that_of_the_first_epoch() {
        let change = || augment(serde_json::json!([{"gaussian_noise": {"stddev": 20}}]));
        let (cache, batch) = (Stage::Cache(Cache {}), Stage::Batch(Batch { batch_size: 8, drop_remainder: false }));
        let frozen = pipeline(&[change(), cache.clone(), batch.clone()], 2);
        let first = images(&frozen, 0);
        assert_eq!(images(&frozen, 3), first);
        assert_eq!(images(&pipeline(&[change(), cache.clone(), batch.clone()], 1), 3), first);
        let live = pipeline(&[change(), batch.clone()], 2);
        assert_eq!(images(&live, 0), first);
        assert_ne!(images(&live, 3), first);
        // Neither the order before nor batching matters to what is drawn for an example.
        let behind = [cache.clone(), change(), batch.clone()];
        let after_batch = [cache, batch, change()];
        assert_ne!(images(&pipeline(&behind, 1), 1), images(&pipeline(&behind, 1), 0));
        assert_ne!(images(&pipeline(&after_batch, 1), 1), images(&pipeline(&after_batch, 1), 0));
    }

    #[test]
    fn an_epoch_that_is_left_early_ends_its_thread() {
        let examples = Arc::new(Numbered(vec![0; 1000]));
        let stages = [Stage::Batch(Batch { batch_size: 1, drop_remainder: false })];
        let pipeline = InputPipeline::new(examples, [2, 2, 1], &stages, "dataset.train", 0, 1);
        let mut epoch = pipeline.epoch(0);
        assert!(epoch.next().is_some());
        drop(epoch);
    }
}
