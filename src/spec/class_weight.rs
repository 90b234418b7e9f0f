//! How much the examples of each class count while training.

use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Weights of the classes.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeight {
    /// `examples / (classes * examples of the class)`, as scikit-learn's `balanced`: all classes count the same in sum.
    Balanced,
    /// By name; 1 for a class that isn't named.
    Given(BTreeMap<String, f64>),
}

const BALANCED: &str = "balanced";

impl ClassWeight {
    /// A name that is none of `classes`, with the complaint.
    pub fn unknown(&self, classes: &[String]) -> Option<(&str, Diagnostic)> {
        let ClassWeight::Given(weights) = self else { return None };
        let name = weights.keys().find(|name| !classes.contains(name))?;
        let message = format!("`training.class_weight` names `{name}`, and no class is called so");
        let problem = Diagnostic::error(Code::UNKNOWN_CLASS, message);
        let problem = match nearest(name, classes.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("`trainyard data inspect FILE` lists the classes"),
        };
        Some((name, problem))
    }

    /// The weight of each class, given how many training examples there are of each. A class without examples has
    /// weight 0 where they are balanced.
    ///
    /// # Errors
    /// Where there is no class of a given name.
    pub fn of(&self, classes: &[String], counts: &[usize]) -> Result<Vec<f64>> {
        if let Some((_, problem)) = self.unknown(classes) {
            return Err(Box::new(problem));
        }
        Ok(match self {
            ClassWeight::Balanced => {
                let all = counts.iter().sum::<usize>() as f64;
                let weight = |&count: &usize| if count == 0 { 0.0 } else { all / (classes.len() * count) as f64 };
                counts.iter().map(weight).collect()
            }
            ClassWeight::Given(weights) => {
                classes.iter().map(|name| weights.get(name).copied().unwrap_or(1.0)).collect()
            }
        })
    }
}

impl Serialize for ClassWeight {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            ClassWeight::Balanced => serializer.serialize_str(BALANCED),
            ClassWeight::Given(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeight {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            // The schema allows no other word.
            serde_json::Value::String(_) => Ok(ClassWeight::Balanced),
            other => serde_json::from_value(other).map(ClassWeight::Given).map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for ClassWeight {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ClassWeight".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let weights = serde_json::json!({
            "type": "object", "additionalProperties": { "type": "number", "minimum": 0, "maximum": 1e6 }
        });
        json_schema!({ "anyOf": [{ "const": BALANCED }, weights] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// `sklearn.utils.class_weight.compute_class_weight("balanced", ...)` of 6, 3 and 1 examples.
    #[test]
    fn balanced_weights_are_scikit_learns() {
        let weights = ClassWeight::Balanced.of(&names(&["a", "b", "c"]), &[6, 3, 1]).unwrap();
        for (weight, want) in weights.iter().zip([10.0 / 18.0, 10.0 / 9.0, 10.0 / 3.0]) {
            assert!((weight - want).abs() < 1e-12, "{weights:?}");
        }
        assert_eq!(ClassWeight::Balanced.of(&names(&["a", "b"]), &[4, 0]).unwrap(), [0.5, 0.0]);
    }

    #[test]
    fn a_class_that_is_not_named_counts_1() {
        let given: ClassWeight = serde_json::from_str(r#"{"dog": 2.5}"#).unwrap();
        assert_eq!(given.of(&names(&["cat", "dog"]), &[1, 1]).unwrap(), [1.0, 2.5]);
        let complaint = given.of(&names(&["cat", "dogs"]), &[1, 1]).unwrap_err();
        assert_eq!(complaint.help, ["did you mean `dogs`?"]);
    }
}
