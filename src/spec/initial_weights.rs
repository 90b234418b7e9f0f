//! The weights that a model starts with, from a file whose tensors may have other names.

use crate::{run::weights_file::Stored, text::printable};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

fn yes() -> bool {
    true
}

/// Where the weights are that training begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"file": "resnet20.safetensors", "names": {"backbone.*": "*", "head.*": null}, "strict": false}]))]
pub struct InitialWeights {
    /// The safetensors file, its path relative to this one. Kernels are stored as PyTorch has them: OIHW, and OI of dense layers.
    #[schemars(with = "String", length(min = 1), extend("x-known-as" = ["path", "weights", "checkpoint"]))]
    pub file: PathBuf,
    /// What tensors of the file are called here, such as `conv1.weight: conv2d.kernel`; `*` stands for anything, in both names for
    /// the same. A tensor whose name maps to nothing is left out; one that maps to several names is divided among them along its
    /// first axis, as PyTorch holds queries, keys and values in one. All others have the name that they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, TargetSchema>")]
    #[schemars(extend("x-known-as" = ["name_map", "mapping", "rename"], "examples" = [{"conv1.weight": "conv2d.kernel", "*.num_batches_tracked": null}]))]
    pub names: BTreeMap<String, Target>,
    /// Whether the file must hold exactly the model's weights. If not, those are taken that fit by name and shape, which leaves out
    /// the head of a network for other classes.
    #[serde(default = "yes")]
    pub strict: bool,
}

/// What a tensor of a file is called here: one name, several among which it is divided, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(pub Vec<String>);

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_none(),
            [name] => serializer.serialize_str(name),
            names => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Ok(Target(Vec::new())),
            serde_json::Value::String(name) => Ok(Target(vec![name])),
            names => serde_json::from_value(names).map(Target).map_err(D::Error::custom),
        }
    }
}

struct TargetSchema;

impl JsonSchema for TargetSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = serde_json::json!({ "type": "string", "minLength": 1 });
        let several = serde_json::json!({ "type": "array", "items": name, "minItems": 2, "maxItems": 64 });
        json_schema!({ "anyOf": [name, several, { "type": "null" }] })
    }
}

/// The file alone, or with how to read it.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<InitialWeights>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(file) => {
            Ok(Some(InitialWeights { file: file.into(), names: BTreeMap::new(), strict: true }))
        }
        other => serde_json::from_value(other).map(Some).map_err(D::Error::custom),
    }
}

/// The schema of both forms.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let whole = generator.subschema_for::<InitialWeights>();
    json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, whole] })
}

/// The kinds of numbers that are taken, and turned into those of 32 bits.
const FLOATS: [&str; 4] = ["F32", "F64", "F16", "BF16"];

/// A tensor of a file, or a part of one, that becomes a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The tensor's name in the file.
    pub name: String,
    /// Which part of it along the first axis, and of how many.
    pub part: (i64, i64),
    /// The parameter's name.
    pub parameter: String,
}

/// What of a file fits a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fit {
    /// What is taken.
    pub taken: Vec<Taken>,
    /// Parameters that the file doesn't have.
    pub missing: Vec<String>,
    /// What the file holds besides, by its names there.
    pub surplus: Vec<String>,
    /// What has the name of a parameter and is something else, in words.
    pub unlike: Vec<String>,
    /// Entries of `names` that name nothing in the file.
    pub idle: Vec<String>,
}

impl InitialWeights {
    /// What a tensor of the file is called here, and by which entry of `names`.
    fn renamed(&self, name: &str) -> (Vec<String>, Option<&str>) {
        if let Some((entry, target)) = self.names.get_key_value(name) {
            return (target.0.clone(), Some(entry));
        }
        for (pattern, target) in &self.names {
            if let Some(parts) = starred(pattern, name) {
                return (target.0.iter().map(|target| filled(target, &parts)).collect(), Some(pattern));
            }
        }
        (vec![name.to_owned()], None)
    }

    /// Holds what a file `holds` against the parameters that are `wanted`, each with its shape.
    pub fn fit(&self, holds: &[Stored], wanted: &[(String, Vec<i64>)]) -> Fit {
        let shapes: BTreeMap<&str, &[i64]> = wanted.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
        let mut fit = Fit::default();
        let (mut found, mut used) = (BTreeSet::new(), BTreeSet::new());
        for Stored { name, dtype, shape } in holds {
            let (targets, entry) = self.renamed(name);
            used.extend(entry);
            let parts = targets.len() as i64;
            let shape: Vec<i64> = match shape.split_first() {
                Some((first, rest)) if parts > 1 && first % parts == 0 => [&[first / parts], rest].concat(),
                _ => shape.clone(),
            };
            for (part, target) in targets.into_iter().enumerate() {
                let called = if target == *name { format!("`{name}`") } else { format!("`{name}`, here `{target}`,") };
                match shapes.get(target.as_str()) {
                    None => fit.surplus.push(name.clone()),
                    Some(_) if !found.insert(target.clone()) => {
                        fit.unlike.push(format!("{called} stands twice in the file"))
                    }
                    Some(_) if !FLOATS.contains(&dtype.as_str()) => fit.unlike.push(format!("{called} holds {dtype}")),
                    Some(wanted) if shape != *wanted => {
                        fit.unlike.push(format!("{called} is {shape:?} in the file, and {wanted:?} in the model"));
                    }
                    Some(_) => {
                        fit.taken.push(Taken { name: name.clone(), part: (part as i64, parts), parameter: target })
                    }
                }
            }
        }
        fit.surplus.dedup();
        fit.missing = wanted.iter().map(|(name, _)| name).filter(|name| !found.contains(*name)).cloned().collect();
        fit.idle = self.names.keys().filter(|entry| !used.contains(entry.as_str())).cloned().collect();
        fit
    }

    /// Why a fit isn't good enough, in words.
    pub fn objections(&self, fit: &Fit) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(listed("nothing in the file is called", &fit.idle));
        if self.strict || fit.taken.is_empty() {
            all.extend(fit.remarks());
        }
        all
    }
}

impl Fit {
    /// What isn't taken, in words.
    pub fn remarks(&self) -> Vec<String> {
        let unlike = self.unlike.iter().take(MOST).cloned();
        let more = self.unlike.len().checked_sub(MOST).filter(|&more| more > 0);
        let missing = listed("the file lacks", &self.missing);
        let surplus = listed("the model lacks", &self.surplus);
        let more = more.map(|more| format!("{more} others are unlike, too"));
        unlike.chain(more).chain(missing).chain(surplus).collect()
    }
}

/// How many names a message lists.
const MOST: usize = 8;

fn listed(what: &str, names: &[String]) -> Option<String> {
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{}`", printable(name))).collect();
    let more = names.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{what} {}{more}", shown.join(", ")))
}

/// What the stars of `pattern` stand for in `name`, each for as little as it can.
fn starred<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let (first, rest) = pattern.split_once('*')?;
    let mut left = name.strip_prefix(first)?;
    let mut parts = Vec::new();
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        let at = if pieces.peek().is_none() { left.strip_suffix(piece)?.len() } else { left.find(piece)? };
        parts.push(&left[..at]);
        left = &left[at + piece.len()..];
    }
    Some(parts)
}

/// `target` with its stars replaced by `parts`, one after the other.
fn filled(target: &str, parts: &[&str]) -> String {
    let mut parts = parts.iter();
    let mut pieces = target.split('*');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + parts.next().unwrap_or(&"*") + piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(json: &str) -> InitialWeights {
        serde_json::from_str(json).unwrap()
    }

    fn stored(name: &str, shape: &[i64]) -> Stored {
        Stored { name: name.to_owned(), dtype: "F32".to_owned(), shape: shape.to_vec() }
    }

    #[test]
    fn stars_stand_for_the_same_in_both_names() {
        let weights = weights(
            r#"{"file": "x", "names": {"layer*.conv*.weight": "conv2d_*_*.kernel", "layer1.conv1.weight": "first", "*.count": null}}"#,
        );
        let renamed = |name| weights.renamed(name).0.concat();
        assert_eq!(renamed("layer2.conv1.weight"), "conv2d_2_1.kernel");
        assert_eq!(renamed("layer1.conv1.weight"), "first");
        assert_eq!(renamed("bn.count"), "");
        assert_eq!(renamed("dense.bias"), "dense.bias");
        assert_eq!(starred("a*a", "a"), None);
        assert_eq!(starred("*", "äö"), Some(vec!["äö"]));
        assert_eq!(starred("a*b*c", "a1b2b3c"), Some(vec!["1", "2b3"]));
    }

    #[test]
    fn what_does_not_fit_is_listed() {
        let wanted =
            [("a.kernel".to_owned(), vec![2, 3]), ("a.bias".to_owned(), vec![2]), ("b.bias".to_owned(), vec![4])];
        let weights = weights(r#"{"file": "x", "names": {"w": "a.kernel", "nothing": "b.bias"}}"#);
        let holds = [stored("w", &[3, 2]), stored("a.bias", &[2]), stored("extra", &[1])];
        let fit = weights.fit(&holds, &wanted);
        assert_eq!(fit.taken, [Taken { name: "a.bias".to_owned(), part: (0, 1), parameter: "a.bias".to_owned() }]);
        assert_eq!(
            weights.objections(&fit),
            [
                "nothing in the file is called `nothing`",
                "`w`, here `a.kernel`, is [3, 2] in the file, and [2, 3] in the model",
                "the file lacks `b.bias`",
                "the model lacks `extra`",
            ]
        );
        let lax = InitialWeights { strict: false, names: BTreeMap::new(), ..weights };
        assert!(lax.objections(&lax.fit(&holds, &wanted)).is_empty());
        assert!(!lax.objections(&lax.fit(&holds[2..], &wanted)).is_empty(), "nothing fits");
        let whole = Stored { dtype: "I64".to_owned(), ..stored("a.bias", &[2]) };
        assert_eq!(lax.fit(&[whole], &wanted).unlike, ["`a.bias` holds I64"]);
        assert_eq!(lax.fit(&[stored("a.bias", &[2]), stored("a.bias", &[2])], &wanted).unlike.len(), 1);
    }

    #[test]
    fn a_tensor_is_divided_among_several() {
        let weights = weights(r#"{"file": "x", "names": {"*.qkv": ["*.q", "*.k"]}}"#);
        assert_eq!(serde_json::from_value::<InitialWeights>(serde_json::to_value(&weights).unwrap()).unwrap(), weights);
        let wanted = [("a.q".to_owned(), vec![2, 3]), ("a.k".to_owned(), vec![2, 3])];
        let fit = weights.fit(&[stored("a.qkv", &[4, 3])], &wanted);
        assert!(weights.objections(&fit).is_empty(), "{fit:?}");
        assert_eq!(fit.taken[1], Taken { name: "a.qkv".to_owned(), part: (1, 2), parameter: "a.k".to_owned() });
        assert_eq!(weights.fit(&[stored("a.qkv", &[5, 3])], &wanted).unlike.len(), 2);
        assert_eq!(weights.fit(&[stored("b.qkv", &[4, 3])], &wanted).surplus, ["b.qkv"]);
    }
}
