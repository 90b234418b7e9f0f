//! Mixes elements through a buffer, as tf.data's `shuffle`.
//!
//! The buffer holds the next `buffer_size` elements; each element that leaves is a random one of them, and the next from
//! upstream takes its place. So an element can come out early by at most the size of the buffer, and late by any
//! distance. Every epoch has its own order.

use super::{Elements, Occasion, StageDefinition};
use crate::random::{Purpose, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts the elements into a random order, another one each epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "buffer_size", "examples" = [{}, {"buffer_size": 1000}]))]
pub struct Shuffle {
    /// How many elements are mixed at a time; all of them where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000000))]
    pub buffer_size: Option<usize>,
}

fn through_buffer<T>(elements: Vec<T>, size: usize, stream: &mut Stream) -> Vec<T> {
    let mut out = Vec::with_capacity(elements.len());
    let mut rest = elements.into_iter();
    let mut buffer: Vec<T> = rest.by_ref().take(size).collect();
    while !buffer.is_empty() {
        let at = stream.below(buffer.len() as u32) as usize;
        out.push(match rest.next() {
            Some(next) => std::mem::replace(&mut buffer[at], next),
            None => buffer.swap_remove(at),
        });
    }
    out
}

impl StageDefinition for Shuffle {
    fn apply(&self, elements: Elements, occasion: Occasion<'_>) -> Elements {
        let purpose = Purpose::new(occasion.seed, &format!("shuffle/{}", occasion.path));
        let mut stream = purpose.stream(occasion.epoch, occasion.turn);
        let size = self.buffer_size.unwrap_or(usize::MAX);
        match elements {
            Elements::Examples(examples) => Elements::Examples(through_buffer(examples, size, &mut stream)),
            Elements::Batches(batches) => Elements::Batches(through_buffer(batches, size, &mut stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shuffled(n: u32, buffer_size: Option<usize>, seed: u64, epoch: u64) -> Vec<u32> {
        let occasion = Occasion { seed, path: "dataset.train[0]", epoch, turn: 0 };
        match (Shuffle { buffer_size }).apply(Elements::all(n as usize), occasion) {
            Elements::Examples(examples) => examples.into_iter().map(|element| element.example).collect(),
            Elements::Batches(_) => unreachable!("examples stay examples"),
        }
    }

    proptest! {
        #[test]
        fn it_is_a_permutation_that_the_buffer_bounds(n in 0u32..500, size in 1usize..600, seed in 0u64..50) {
            let order = shuffled(n, Some(size), seed, 0);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            for (position, &element) in order.iter().enumerate() {
                prop_assert!((element as usize) < position + size, "{} left at {}", element, position);
            }
        }
    }

    #[test]
    fn each_epoch_has_its_own_order_and_keeps_it() {
        assert_eq!(shuffled(100, None, 1, 3), shuffled(100, None, 1, 3));
        assert_ne!(shuffled(100, None, 1, 3), shuffled(100, None, 1, 4));
        assert_eq!(shuffled(5, Some(1), 1, 0), [0, 1, 2, 3, 4]);
    }
}
