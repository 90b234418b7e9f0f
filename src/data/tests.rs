//! Whatever the workers, the caches, reading ahead and the processes: the batches are the same.

use super::{BatchLabels, Feed, HostBatch, InputPipeline, Share, Statistics};
use crate::{
    diagnostic::{Code, Diagnostic, Result},
    source::{Examples, Form, ImageReader, Interpolation, Labels, Surroundings},
    stage::{Batch, Cache, Prefetch, Repeat, Shuffle, Stage},
};
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
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

fn feed(examples: Arc<dyn Examples>) -> Feed {
    let reader = ImageReader::stretching([2, 2, 1], Interpolation::Nearest);
    let form = Form::Image([2, 2, 1]);
    Feed { examples, form, classes: 4, digest: "numbers".to_owned(), reader: Some(reader), part: "train" }
}

fn pipeline_over(examples: Arc<Numbered>, stages: &[Stage], workers: usize) -> InputPipeline {
    let stop = AtomicBool::new(false);
    let surroundings =
        Surroundings { data_directory: None, cache_directory: "cache".into(), progress: &|_| (), stop: &stop };
    InputPipeline::new(feed(examples), stages, "dataset.train", 5, workers).with_cache(&surroundings).unwrap()
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
            Err(Box::new(Diagnostic::error(Code::BAD_IMAGE, format!("{index} is broken"))))
        }
    }
    let broken = feed(Arc::new(Broken(vec![0; 5])));
    let mut batches = InputPipeline::new(broken, &[batch(1)], "dataset.train", 0, 1).epoch(0);
    assert_eq!(batches.next().unwrap().unwrap_err().message, "0 is broken");
    assert!(batches.next().is_none());
}
