//! Every so-manieth element, as tf.data's `shard`.

use super::{Elements, Occasion, StageDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Goes on with one of several parts of the elements: those whose number, divided by `num_shards`, leaves `index`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"num_shards": 4, "index": 0}]))]
pub struct Shard {
    /// How many parts there are.
    #[schemars(range(min = 1, max = 1000000))]
    pub num_shards: usize,
    /// Which part, from 0; a number that no part has leaves nothing.
    #[schemars(range(max = 999999))]
    pub index: usize,
}

impl Shard {
    fn part<T>(&self, elements: Vec<T>) -> Vec<T> {
        elements.into_iter().skip(self.index).step_by(self.num_shards).collect()
    }
}

impl StageDefinition for Shard {
    fn apply(&self, elements: Elements, _: Occasion<'_>) -> Elements {
        // Beyond the last part, tf.data has nothing to give either.
        let none = self.index >= self.num_shards;
        match elements {
            Elements::Examples(examples) => Elements::Examples(if none { Vec::new() } else { self.part(examples) }),
            Elements::Batches(batches) => Elements::Batches(if none { Vec::new() } else { self.part(batches) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stage::{Elements, Occasion, Stage};

    fn applied(stage: &str) -> Vec<u32> {
        let stage: Stage = serde_json::from_str(stage).expect("a stage");
        let occasion = Occasion { seed: 0, path: "dataset.train[0]", epoch: 0, turn: 0 };
        let mut elements = stage.apply(Elements::all(10), occasion);
        elements.each().map(|element| element.example).collect()
    }

    /// What `tf.data.Dataset.range(10)` gives.
    #[test]
    fn parts_are_those_of_tf_data() {
        assert_eq!(applied(r#"{"shard": {"num_shards": 3, "index": 1}}"#), [1, 4, 7]);
        assert_eq!(applied(r#"{"shard": {"num_shards": 3, "index": 0}}"#), [0, 3, 6, 9]);
        assert_eq!(applied(r#"{"shard": {"num_shards": 2, "index": 2}}"#), [0u32; 0]);
        assert_eq!(applied(r#"{"take": {"count": 3}}"#), [0, 1, 2]);
        assert_eq!(applied(r#"{"take": {"count": 30}}"#).len(), 10);
        assert_eq!(applied(r#"{"skip": {"count": 8}}"#), [8, 9]);
        assert_eq!(applied(r#"{"skip": {"count": 80}}"#), [0u32; 0]);
    }
}
