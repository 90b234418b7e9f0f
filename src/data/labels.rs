//! What is to be predicted of the examples of a batch.

use crate::source::Labels;

/// What is to be predicted of each example of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchLabels {
    /// The class of each; of a blended example the one with the largest share.
    Classes(Vec<i64>),
    /// A number of each.
    Numbers(Vec<f32>),
}

impl Default for BatchLabels {
    fn default() -> Self {
        BatchLabels::Classes(Vec::new())
    }
}

impl BatchLabels {
    /// Those of `examples` among `all`.
    pub fn of(all: Labels<'_>, examples: impl Iterator<Item = usize>) -> Self {
        match all {
            Labels::Classes(labels) => {
                BatchLabels::Classes(examples.map(|example| i64::from(labels[example])).collect())
            }
            Labels::Numbers(labels) => BatchLabels::Numbers(examples.map(|example| labels[example]).collect()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            BatchLabels::Classes(labels) => labels.len(),
            BatchLabels::Numbers(labels) => labels.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first so many.
    pub fn truncate(&mut self, count: usize) {
        match self {
            BatchLabels::Classes(labels) => labels.truncate(count),
            BatchLabels::Numbers(labels) => labels.truncate(count),
        }
    }

    /// The classes; none where numbers are predicted.
    pub fn classes(&self) -> &[i64] {
        match self {
            BatchLabels::Classes(labels) => labels,
            BatchLabels::Numbers(_) => &[],
        }
    }
}
