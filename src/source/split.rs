//! Parts of a source: a share of every class, chosen by a seed.

use super::{Examples, Labels, labels::KeptLabels};
use crate::{diagnostic::Result, random::Purpose};
use std::sync::Arc;

/// Some of the examples of a source, in their order.
pub struct Subset {
    of: Arc<dyn Examples>,
    indices: Vec<usize>,
    labels: KeptLabels,
}

impl Subset {
    /// The examples of `of` at `indices`.
    pub fn new(of: Arc<dyn Examples>, indices: Vec<usize>) -> Self {
        let labels = KeptLabels::at(of.labels(), &indices);
        Subset { of, indices, labels }
    }
}

impl Examples for Subset {
    fn labels(&self) -> Labels<'_> {
        self.labels.view()
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        self.of.read(self.indices[index], into)
    }

    fn in_memory(&self) -> bool {
        self.of.in_memory()
    }

    fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.of.bytes(self.indices[index])
    }

    fn is_sound(&self) -> bool {
        self.of.is_sound()
    }

    fn describe(&self, index: usize) -> String {
        self.of.describe(self.indices[index])
    }

    fn stored_size(&self, index: usize) -> Option<[usize; 2]> {
        self.of.stored_size(self.indices[index])
    }

    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>> {
        let all = self.of.column(name)?;
        Ok(all.map(|values| self.indices.iter().map(|&index| values[index].clone()).collect()))
    }

    fn identify(&self, each: &mut dyn FnMut(usize)) {
        self.of.identify(each);
        self.indices.iter().for_each(|&index| each(index));
    }
}

/// Splits `labels` into what stays and what is split off: `share` of each class, chosen by `purpose`. Both keep their order.
pub fn stratified(labels: &[u32], share: f64, purpose: &Purpose) -> (Vec<usize>, Vec<usize>) {
    let classes = labels.iter().max().map_or(0, |max| max + 1);
    let mut is_split_off = vec![false; labels.len()];
    for class in 0..classes {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        let count = (members.len() as f64 * share).round() as usize;
        purpose.stream(0, class).shuffle(&mut members);
        members[..count].iter().for_each(|&member| is_split_off[member] = true);
    }
    (0..labels.len()).partition(|&index| !is_split_off[index])
}

/// Divides `labels` into `folds` parts with the same share of each class, chosen by `seed`: what is in no part but `index`,
/// and what is in that one. Both keep their order.
pub fn fold(labels: &[u32], folds: usize, index: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let classes = labels.iter().max().map_or(0, |max| max + 1);
    let purpose = Purpose::new(seed, "folds");
    let mut part_of = vec![0; labels.len()];
    // Each class goes on where the last one stopped, so that the parts are of one size.
    let mut next = 0;
    for class in 0..classes {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        purpose.stream(0, class).shuffle(&mut members);
        for member in members {
            part_of[member] = next % folds;
            next += 1;
        }
    }
    (0..labels.len()).partition(|&example| part_of[example] != index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_example_is_in_one_fold_and_folds_are_alike(
            labels in proptest::collection::vec(0u32..4, 0..200), folds in 2usize..7, seed in 0u64..20,
        ) {
            let mut seen = vec![0; labels.len()];
            for index in 0..folds {
                let (stay, off) = fold(&labels, folds, index, seed);
                let mut all: Vec<usize> = stay.iter().chain(&off).copied().collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
                prop_assert!(off.len().abs_diff(labels.len() / folds) <= 1);
                for class in 0..4 {
                    let of_class = labels.iter().filter(|l| **l == class).count();
                    let here = off.iter().filter(|i| labels[**i] == class).count();
                    prop_assert!(here.abs_diff(of_class / folds) <= 1, "{here} of {of_class}");
                }
                off.iter().for_each(|&example| seen[example] += 1);
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }

        #[test]
        fn no_example_is_in_both_and_none_is_lost(
            labels in proptest::collection::vec(0u32..5, 0..300), share in 0.01f64..0.99, seed in 0u64..20,
        ) {
            let (stay, off) = stratified(&labels, share, &Purpose::new(seed, "validation split"));
            let mut all: Vec<usize> = stay.iter().chain(&off).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            for class in 0..5 {
                let of_class = labels.iter().filter(|l| **l == class).count();
                let split_off = off.iter().filter(|i| labels[**i] == class).count();
                prop_assert_eq!(split_off, (of_class as f64 * share).round() as usize);
            }
        }
    }
}
