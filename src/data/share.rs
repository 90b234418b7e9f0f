//! What one of several processes takes of the batches of an epoch, so that all of them together see what one alone would.

use std::ops::Range;

/// What a process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// All there is.
    #[default]
    Whole,
    /// Of every batch the `index`-th of `of` stretches, which are as long as each other but for one example.
    Stretch {
        /// From 0.
        index: usize,
        /// How many there are.
        of: usize,
    },
    /// Whole batches: the `index`-th and every `of`-th behind it.
    Turns {
        /// From 0.
        index: usize,
        /// How many take turns.
        of: usize,
    },
}

impl Share {
    /// Its examples of a batch of so many, by their places.
    pub fn places(self, examples: usize) -> Range<usize> {
        match self {
            Share::Stretch { index, of } => examples * index / of..examples * (index + 1) / of,
            Share::Whole | Share::Turns { .. } => 0..examples,
        }
    }

    /// The first of its batches, and how many steps lead to the next one.
    pub fn batches(self) -> (usize, usize) {
        match self {
            Share::Turns { index, of } => (index, of),
            Share::Whole | Share::Stretch { .. } => (0, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_partition_a_batch_of_any_size() {
        for of in 1..7 {
            for examples in 0..20 {
                let stretches = (0..of).map(|index| Share::Stretch { index, of }.places(examples));
                let lengths: Vec<usize> = stretches.clone().map(|places| places.len()).collect();
                assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1, "{lengths:?}");
                assert!(stretches.flatten().eq(0..examples), "{examples} of {of}");
            }
        }
        assert_eq!(Share::Whole.places(5), 0..5);
        assert_eq!(Share::Turns { index: 1, of: 3 }.places(5), 0..5);
    }
}
