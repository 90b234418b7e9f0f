//! What training makes small: Keras' losses, one file each.

use crate::{family, layer::ActivationFunction};
use tch::{Reduction, TchError, Tensor};

/// What a batch of outputs is compared with.
#[derive(Debug)]
pub struct Targets {
    /// The class of each example, `[batch]`, whole numbers.
    pub labels: Tensor,
    /// Shares of the classes, `[batch, classes]`, where examples are of several classes.
    pub shares: Option<Tensor>,
    /// How much each example counts, `[batch]`, where they don't all count the same.
    pub weights: Option<Tensor>,
}

impl Targets {
    /// Each example of one class, and all counting the same.
    pub fn of(labels: Tensor) -> Self {
        Targets { labels, shares: None, weights: None }
    }
}

/// What all losses share.
pub trait LossDefinition {
    /// The losses of the examples, `[batch]`, or with [`Reduction::Mean`] their mean, a scalar.
    ///
    /// `outputs`: `[batch, classes]`, logits or probabilities as `from_logits` says.
    ///
    /// # Errors
    /// What libtorch reports.
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError>;

    /// The mean over the batch, as a scalar. Weights multiply the losses; the divisor stays the number of examples, as with
    /// Keras' `class_weight`.
    ///
    /// # Errors
    /// What libtorch reports.
    fn compute(&self, outputs: &Tensor, targets: &Targets, from_logits: bool) -> Result<Tensor, TchError> {
        match &targets.weights {
            None => self.reduced(outputs, targets, from_logits, Reduction::Mean),
            Some(weights) => {
                self.reduced(outputs, targets, from_logits, Reduction::None)?.f_mul(weights)?.f_mean(tch::Kind::Float)
            }
        }
    }

    /// The loss of an example of one class from the probability of that class, where it follows from that alone. `logits`:
    /// whether the model's outputs are logits.
    fn of_probability(&self, probability: f64, logits: bool) -> Option<f64>;

    /// What the pipeline says of the model's outputs.
    fn outputs_are_logits(&self) -> FromLogits;
}

/// Whether the model's outputs are logits, any numbers, or probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FromLogits {
    /// As the model's last activation says.
    #[default]
    Auto,
    /// The pipeline says so.
    Explicit(bool),
}

impl FromLogits {
    /// Whether outputs behind `activation` are logits.
    pub fn resolve(self, activation: ActivationFunction) -> bool {
        match self {
            FromLogits::Explicit(logits) => logits,
            FromLogits::Auto => !is_probability(activation),
        }
    }
}

/// Whether an activation makes probabilities.
pub fn is_probability(activation: ActivationFunction) -> bool {
    matches!(activation, ActivationFunction::Softmax | ActivationFunction::Sigmoid)
}

impl serde::Serialize for FromLogits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FromLogits::Auto => serializer.serialize_str("auto"),
            FromLogits::Explicit(logits) => serializer.serialize_bool(*logits),
        }
    }
}

impl<'de> serde::Deserialize<'de> for FromLogits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Bool(logits) => Ok(FromLogits::Explicit(logits)),
            _ => Ok(FromLogits::Auto),
        }
    }
}

impl schemars::JsonSchema for FromLogits {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FromLogits".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "boolean" }] })
    }
}

family! {
    /// What training makes small.
    pub enum Loss("loss"): LossDefinition {
        sparse_categorical_crossentropy::SparseCategoricalCrossentropy,
    }
}
