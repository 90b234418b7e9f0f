//! Where a source's examples for testing come from, and how its splits are put together.

use super::{Declared, Examples, Form, Subset, stratified};
use crate::random::Purpose;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, sync::Arc};

/// A place of their own, or a share of what is there for training.
#[derive(Clone, Debug, PartialEq)]
pub enum TestPart {
    /// A folder or file, as the source says.
    Place(String),
    /// The share.
    Share(f64),
}

impl TestPart {
    /// What `open` makes of the place, or the share.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn open<T>(
        &self,
        open: impl FnOnce(&str) -> crate::diagnostic::Result<T>,
    ) -> crate::diagnostic::Result<Result<T, f64>> {
        match self {
            TestPart::Place(place) => open(place).map(Ok),
            TestPart::Share(share) => Ok(Err(*share)),
        }
    }
}

/// A share of the training examples, the same of every class. Which ones, is fixed: runs with other seeds are tested on the
/// same examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"split": 0.2}]))]
struct Share {
    /// The share, between 0 and 1.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    split: f64,
}

impl Serialize for TestPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            TestPart::Place(place) => serializer.serialize_str(place),
            TestPart::Share(split) => Share { split: *split }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TestPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(place) => Ok(TestPart::Place(place)),
            other => {
                let share: Share = serde_json::from_value(other).map_err(D::Error::custom)?;
                Ok(TestPart::Share(share.split))
            }
        }
    }
}

impl JsonSchema for TestPart {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TestPart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let share = generator.subschema_for::<Share>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, share] })
    }
}

/// Keys which examples a share takes, and the order of a file's rows. Another one would change the numbers of every run.
const SEED: u64 = 0;

/// How many of so many examples stay for training and how many are for testing, where they are of no classes.
pub(super) fn counts(examples: usize, share: f64) -> (usize, usize) {
    let (stay, off) = divide(&vec![0; examples], share);
    (stay.len(), off.len())
}

/// Which of so many examples stay for training, and which of them are for testing. Both keep their order.
fn divide(labels: &[u32], share: f64) -> (Vec<usize>, Vec<usize>) {
    stratified(labels, share, &Purpose::new(SEED, "test split"))
}

/// The examples for training and those for testing, where `test` are no others than a share of the former.
pub(super) fn train_and_test(
    train: Arc<dyn Examples>,
    test: Result<Arc<dyn Examples>, f64>,
) -> (Arc<dyn Examples>, Arc<dyn Examples>) {
    match test {
        Ok(test) => (train, test),
        Err(share) => {
            let (stay, off) = divide(&train.labels().strata(), share);
            (Arc::new(Subset::new(train.clone(), stay)), Arc::new(Subset::new(train, off)))
        }
    }
}

/// Puts the rows of a file into a fixed order: files are often sorted by class, and a shuffle buffer smaller than a class
/// would give batches of one class.
pub(super) fn mix<T>(rows: &mut [T]) {
    Purpose::new(SEED, "order of rows").stream(0, 0).shuffle(rows);
}

/// The same of opened examples.
pub(super) fn mixed(examples: Arc<dyn Examples>) -> Arc<dyn Examples> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    mix(&mut order);
    Arc::new(Subset::new(examples, order))
}

/// The classes of the splits' examples, as a source found them.
pub(super) struct SplitClasses<'a> {
    pub train: &'a [u32],
    pub validation: Option<&'a [u32]>,
    /// Labels, or the share of `train`.
    pub test: Result<&'a [u32], f64>,
}

impl SplitClasses<'_> {
    /// What they tell, where examples are of `form`.
    pub fn declare(&self, form: Form, classes: &[String]) -> Declared {
        let of = |indices: &[usize]| indices.iter().map(|&index| self.train[index]).collect::<Vec<u32>>();
        let (train, test) = match self.test {
            Ok(test) => (self.train.to_vec(), test.to_vec()),
            Err(share) => {
                let (stay, off) = divide(self.train, share);
                (of(&stay), of(&off))
            }
        };
        let mut absent = Vec::new();
        for (name, labels) in
            [("train", Some(train.as_slice())), ("validation", self.validation), ("test", Some(test.as_slice()))]
        {
            let Some(labels) = labels else { continue };
            let mut there = vec![false; classes.len()];
            labels.iter().for_each(|&label| there[label as usize] = true);
            absent
                .extend(classes.iter().zip(there).filter(|(_, there)| !there).map(|(class, _)| (name, class.clone())));
        }
        Declared {
            form: Some(form),
            classes: Some(classes.len()),
            names: Some(classes.to_vec()),
            train: Some(train.len()),
            validation: self.validation.map(<[u32]>::len),
            test: Some(test.len()),
            features: None,
            absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_or_a_share() {
        let read = |value: serde_json::Value| serde_json::from_value::<TestPart>(value);
        assert_eq!(read(json!("data/test")).unwrap(), TestPart::Place("data/test".into()));
        assert_eq!(read(json!({"split": 0.2})).unwrap(), TestPart::Share(0.2));
        for wrong in [json!(0.2), json!({}), json!({"share": 0.2}), json!({"split": 0.2, "seed": 1}), json!(["a"])] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        for part in [TestPart::Place("a".into()), TestPart::Share(0.25)] {
            assert_eq!(read(serde_json::to_value(&part).unwrap()).unwrap(), part);
        }
    }

    #[test]
    fn a_share_is_taken_of_every_class_and_what_is_absent_is_told() {
        let train: Vec<u32> = (0..50).map(|index| index % 2).chain([2]).collect();
        let classes = ["a", "b", "c"].map(str::to_owned);
        let labels = SplitClasses { train: &train, validation: Some(&[0, 1]), test: Err(0.2) };
        let declared = labels.declare(Form::Features(3), &classes);
        assert_eq!((declared.train, declared.validation, declared.test), (Some(41), Some(2), Some(10)));
        assert_eq!(declared.absent, [("validation", "c".to_owned()), ("test", "c".to_owned())]);
    }
}
