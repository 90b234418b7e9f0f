//! The batches of an epoch, as a pure function of seed, epoch and stages.

use crate::stage::{Elements, Occasion, Stage};

/// The batches of `epoch` (from 0), each a list of indices into a source of `examples` examples.
///
/// `path` is where the stages stand in the pipeline, such as `dataset.train`.
pub fn epoch(stages: &[Stage], path: &str, examples: usize, seed: u64, epoch: u64) -> Vec<Vec<u32>> {
    // Behind the last `cache`, epochs differ; before it, all are as the first one was.
    let frozen = stages.iter().rposition(|stage| stage.freezes_order());
    let start = Elements::Examples((0..examples as u32).collect());
    let end = stages.iter().enumerate().fold(start, |elements, (index, stage)| {
        let epoch = if frozen.is_some_and(|frozen| index < frozen) { 0 } else { epoch };
        stage.apply(elements, Occasion { seed, path: &format!("{path}[{index}]"), epoch })
    });
    match end {
        Elements::Batches(batches) => batches,
        // The check demands a `batch`; without one, each example is a batch of its own.
        Elements::Examples(examples) => examples.into_iter().map(|example| vec![example]).collect(),
    }
}

/// How many batches `stages` make of so many examples in each epoch.
pub fn count_steps(stages: &[Stage], examples: usize) -> usize {
    epoch(stages, "", examples, 0, 0).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Batch, Cache, Shuffle};

    #[test]
    fn a_cache_keeps_the_order_before_it_and_not_behind_it() {
        let shuffle = || Stage::Shuffle(Shuffle { buffer_size: None });
        let cache = || Stage::Cache(Cache {});
        let batch = || Stage::Batch(Batch { batch_size: 4, drop_remainder: false });
        let order = |stages: &[Stage], n| epoch(stages, "dataset.train", 20, 7, n);
        assert_ne!(order(&[cache(), shuffle(), batch()], 0), order(&[cache(), shuffle(), batch()], 1));
        assert_eq!(order(&[shuffle(), cache(), batch()], 0), order(&[shuffle(), cache(), batch()], 1));
    }

    #[test]
    fn the_last_batch_is_what_remains() {
        let sizes = |drop_remainder| {
            let stages = [Stage::Batch(Batch { batch_size: 8, drop_remainder })];
            epoch(&stages, "dataset.train", 20, 0, 0).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(false), [8, 8, 4]);
        assert_eq!(sizes(true), [8, 8]);
    }
}
