//! The batches of an epoch, as a pure function of seed, epoch and stages.

use crate::stage::{Element, Elements, Occasion, Stage, repetitions};

/// The stages of a pipeline over a source of so many examples.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The stages.
    pub stages: &'a [Stage],
    /// Where they stand in the pipeline, such as `dataset.train`.
    pub path: &'a str,
    /// How many examples the source has.
    pub examples: usize,
    /// The pipeline's seed.
    pub seed: u64,
}

impl Order<'_> {
    /// The batches of `epoch`, from 0.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<Element>> {
        match self.behind(self.stages.len(), epoch, 0) {
            Elements::Batches(batches) => batches,
            // The check demands a `batch`; without one, each example is a batch of its own.
            Elements::Examples(examples) => examples.into_iter().map(|example| vec![example]).collect(),
        }
    }

    /// What leaves the first `count` stages in the `turn`-th pass of `epoch`, both from 0.
    pub fn behind(&self, count: usize, epoch: u64, turn: u32) -> Elements {
        let Some(before) = count.checked_sub(1) else { return Elements::all(self.examples) };
        let stage = &self.stages[before];
        // Behind the last `cache`, epochs differ; before it, all are as the first one was.
        let (epoch_before, turn_before) = if stage.freezes_order() { (0, 0) } else { (epoch, turn) };
        let times = stage.repetitions();
        let mut elements = self.behind(before, epoch_before, turn_before * times);
        for time in 1..times {
            let mut again = self.behind(before, epoch_before, turn_before * times + time);
            again.each().for_each(|element| element.turn += time * self.turns(before));
            elements = elements.chain(again);
        }
        stage.apply(elements, Occasion { seed: self.seed, path: &format!("{}[{before}]", self.path), epoch, turn })
    }

    /// How often an example comes behind the first `count` stages.
    pub fn turns(&self, count: usize) -> u32 {
        u32::try_from(repetitions(&self.stages[..count])).unwrap_or(u32::MAX)
    }
}

/// How many batches `stages` make of so many examples in each epoch.
pub fn count_steps(stages: &[Stage], examples: usize) -> usize {
    Order { stages, path: "", examples, seed: 0 }.epoch(0).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Batch, Cache, Repeat, Shuffle};

    fn shuffle() -> Stage {
        Stage::Shuffle(Shuffle { buffer_size: None })
    }

    fn cache() -> Stage {
        Stage::Cache(Cache::default())
    }

    fn batch(batch_size: usize, drop_remainder: bool) -> Stage {
        Stage::Batch(Batch { batch_size, drop_remainder })
    }

    fn repeat(count: u32) -> Stage {
        Stage::Repeat(Repeat { count })
    }

    fn order(stages: &[Stage], epoch: u64) -> Vec<Vec<Element>> {
        Order { stages, path: "dataset.train", examples: 20, seed: 7 }.epoch(epoch)
    }

    fn examples(stages: &[Stage]) -> Vec<u32> {
        order(stages, 0).concat().into_iter().map(|element| element.example).collect()
    }

    #[test]
    fn a_cache_keeps_the_order_before_it_and_not_behind_it() {
        assert_ne!(order(&[cache(), shuffle(), batch(4, false)], 0), order(&[cache(), shuffle(), batch(4, false)], 1));
        assert_eq!(order(&[shuffle(), cache(), batch(4, false)], 0), order(&[shuffle(), cache(), batch(4, false)], 1));
    }

    #[test]
    fn the_last_batch_is_what_remains() {
        let sizes = |drop| order(&[batch(8, drop)], 0).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(false), [8, 8, 4]);
        assert_eq!(sizes(true), [8, 8]);
    }

    #[test]
    fn a_repeat_makes_a_pass_of_its_own_each_time() {
        let all = examples(&[shuffle(), repeat(3), batch(4, false)]);
        assert_eq!(all.len(), 60);
        for pass in all.chunks(20) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        assert_ne!(all[..20], all[20..40]);
        // What a cache kept is the same each time.
        let kept = examples(&[shuffle(), cache(), repeat(2), batch(4, false)]);
        assert_eq!(kept[..20], kept[20..]);
        // A shuffle behind it mixes the passes.
        let mixed = examples(&[repeat(2), shuffle(), batch(4, false)]);
        assert!((0..20).any(|example| mixed[..20].iter().filter(|e| **e == example).count() == 2));
        // As tf.data, it doesn't heed the passes' ends in batches.
        assert_eq!(order(&[repeat(2), batch(8, false)], 0).len(), 5);
        assert_eq!(order(&[batch(8, false), repeat(2)], 0).len(), 6);
    }

    #[test]
    fn every_occurrence_is_told_from_the_others() {
        let mut seen = order(&[repeat(2), cache(), shuffle(), repeat(3), batch(7, false)], 4).concat();
        assert_eq!(seen.len(), 120);
        seen.sort_by_key(|element| (element.example, element.turn));
        let wanted = (0..20).flat_map(|example| (0..6).map(move |turn| Element { example, turn }));
        assert!(seen.into_iter().eq(wanted));
    }
}
