//! What is to be predicted of examples.

use crate::task::Task;
use std::borrow::Cow;

/// What is to be predicted of every example of a split, in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Labels<'a> {
    /// The class that each is of.
    Classes(&'a [u32]),
    /// A number of each; NaN where that cannot be read.
    Numbers(&'a [f32]),
}

impl<'a> Labels<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Labels::Classes(labels) => labels.len(),
            Labels::Numbers(labels) => labels.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What is predicted.
    pub fn task(self) -> Task {
        match self {
            Labels::Classes(_) => Task::Classification,
            Labels::Numbers(_) => Task::Regression,
        }
    }

    /// The classes; none where numbers are predicted.
    pub fn classes(self) -> &'a [u32] {
        match self {
            Labels::Classes(labels) => labels,
            Labels::Numbers(_) => &[],
        }
    }

    /// The numbers; none where classes are predicted.
    pub fn numbers(self) -> &'a [f32] {
        match self {
            Labels::Classes(_) => &[],
            Labels::Numbers(labels) => labels,
        }
    }

    /// Of each example, which group it is of where every part of a split is to have the same share of every group: its class.
    /// Numbers are of one group.
    pub fn strata(self) -> Cow<'a, [u32]> {
        match self {
            Labels::Classes(labels) => Cow::Borrowed(labels),
            Labels::Numbers(labels) => Cow::Owned(vec![0; labels.len()]),
        }
    }

    /// Whether two of them are to be predicted alike.
    pub fn agree(self, one: usize, other: Self, at: usize) -> bool {
        match (self, other) {
            (Labels::Classes(own), Labels::Classes(others)) => own[one] == others[at],
            (Labels::Numbers(own), Labels::Numbers(others)) => own[one] == others[at],
            _ => false,
        }
    }
}

/// The same, kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KeptLabels {
    Classes(Vec<u32>),
    Numbers(Vec<f32>),
}

impl KeptLabels {
    /// Those at `indices` of `all`.
    pub fn at(all: Labels<'_>, indices: &[usize]) -> Self {
        match all {
            Labels::Classes(labels) => KeptLabels::Classes(indices.iter().map(|&index| labels[index]).collect()),
            Labels::Numbers(labels) => KeptLabels::Numbers(indices.iter().map(|&index| labels[index]).collect()),
        }
    }

    /// To be looked at.
    pub fn view(&self) -> Labels<'_> {
        match self {
            KeptLabels::Classes(labels) => Labels::Classes(labels),
            KeptLabels::Numbers(labels) => Labels::Numbers(labels),
        }
    }

    /// Their bytes, for a digest.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            KeptLabels::Classes(labels) => labels.iter().flat_map(|label| label.to_le_bytes()).collect(),
            KeptLabels::Numbers(labels) => labels.iter().flat_map(|label| label.to_le_bytes()).collect(),
        }
    }
}
