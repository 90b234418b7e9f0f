//! Makes the batches of an epoch ready on other threads, in their order.

use super::order;
use crate::{diagnostic::Result, source::Examples, stage::Stage};
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
    examples: Arc<dyn Examples>,
    /// `height * width * channels`
    example_bytes: usize,
    stages: Vec<Stage>,
    path: &'static str,
    seed: u64,
    /// Decoded examples, where a stage keeps them and the source doesn't have them in memory anyway.
    kept: Option<Arc<[Kept]>>,
    workers: Arc<rayon::ThreadPool>,
}

impl InputPipeline {
    /// `stages`, which stand at `path`, over `examples` of `shape` (`[height, width, channels]`). `workers` threads read and
    /// decode; how many changes no batch.
    pub fn new(
        examples: Arc<dyn Examples>,
        shape: [usize; 3],
        stages: &[Stage],
        path: &'static str,
        seed: u64,
        workers: usize,
    ) -> Self {
        let keeps = stages.iter().any(|stage| stage.keeps_examples()) && !examples.in_memory();
        let kept = keeps.then(|| (0..examples.len()).map(|_| OnceLock::new()).collect());
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|index| format!("data-{index}"))
            .build()
            .expect("threads can be started");
        InputPipeline {
            examples,
            example_bytes: shape.iter().product(),
            stages: stages.to_vec(),
            path,
            seed,
            kept,
            workers: Arc::new(workers),
        }
    }

    /// How many examples the source has.
    pub fn examples(&self) -> usize {
        self.examples.len()
    }

    /// Batches in an epoch.
    pub fn steps(&self) -> usize {
        order::count_steps(&self.stages, self.examples.len())
    }

    /// The batches of `epoch`, from 0, made ready in the background.
    pub fn epoch(&self, epoch: u64) -> Batches {
        let order = order::epoch(&self.stages, self.path, self.examples.len(), self.seed, epoch);
        let ahead = self.stages.iter().rev().find_map(|stage| stage.read_ahead()).unwrap_or(0);
        let (sender, receiver) = mpsc::sync_channel(ahead);
        let (examples, kept, bytes) = (self.examples.clone(), self.kept.clone(), self.example_bytes);
        let workers = self.workers.clone();
        let steps = order.len();
        let thread = std::thread::Builder::new()
            .name("data".to_owned())
            .spawn(move || {
                for indices in order {
                    let batch = read_batch(&*examples, kept.as_deref(), bytes, &indices, &workers);
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

fn read_batch(
    examples: &dyn Examples,
    kept: Option<&[Kept]>,
    example_bytes: usize,
    indices: &[u32],
    workers: &rayon::ThreadPool,
) -> Result<HostBatch> {
    let mut images = vec![0; indices.len() * example_bytes];
    let read = |(&index, into): (&u32, &mut [u8])| -> Result<()> {
        let index = index as usize;
        let Some(slot) = kept.map(|kept| &kept[index]) else { return examples.read(index, into) };
        match slot.get() {
            Some(bytes) => into.copy_from_slice(bytes),
            None => {
                examples.read(index, into)?;
                // Whoever was first has read the same bytes.
                let _ = slot.set(into.to_vec().into_boxed_slice());
            }
        }
        Ok(())
    };
    let ready = kept.map_or(examples.in_memory(), |kept| indices.iter().all(|&i| kept[i as usize].get().is_some()));
    if ready {
        // Copying is faster than handing out.
        indices.iter().zip(images.chunks_mut(example_bytes)).try_for_each(read)?;
    } else {
        workers.install(|| indices.par_iter().zip(images.par_chunks_mut(example_bytes)).try_for_each(read))?;
    }
    let labels = indices.iter().map(|&index| i64::from(examples.labels()[index as usize])).collect();
    Ok(HostBatch { images, labels })
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

    fn batches(workers: usize, ahead: Option<usize>, cache: bool, epochs: u64) -> Vec<HostBatch> {
        let mut stages = vec![
            Stage::Shuffle(Shuffle { buffer_size: Some(10) }),
            Stage::Batch(Batch { batch_size: 7, drop_remainder: false }),
        ];
        if cache {
            stages.insert(0, Stage::Cache(Cache {}));
        }
        if let Some(ahead) = ahead {
            stages.push(Stage::Prefetch(Prefetch { buffer_size: Some(ahead) }));
        }
        // The place of a stage is part of its randomness, so the cache must not move `shuffle`.
        if !cache {
            stages.insert(0, Stage::Prefetch(Prefetch { buffer_size: Some(1) }));
        }
        let examples = Arc::new(Numbered((0..60).map(|i| i % 4).collect()));
        let pipeline = InputPipeline::new(examples, [2, 2, 1], &stages, "dataset.train", 5, workers);
        (0..epochs).flat_map(|epoch| pipeline.epoch(epoch).map(|batch| batch.unwrap()).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn workers_reading_ahead_and_cache_change_no_batch(
            workers in 1usize..6, ahead in proptest::option::of(1usize..9), cache: bool,
        ) {
            prop_assert_eq!(batches(workers, ahead, cache, 3), batches(1, None, false, 3));
        }
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
