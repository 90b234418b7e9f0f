//! What training makes small: Keras' losses, one file each.

use crate::{family, layer::ActivationFunction, task::Task};
use tch::{Kind, Reduction, TchError, Tensor};

/// Keras' `epsilon()`: probabilities are kept this far from 0 and 1.
const EPSILON: f64 = 1e-7;

/// What a batch of outputs is compared with.
#[derive(Debug)]
pub struct Targets {
    /// The class of each example, `[batch]`, whole numbers; or the number that is to be predicted, `[batch]`, float32.
    pub labels: Tensor,
    /// Shares of the classes, `[batch, classes]`, where examples are of several classes.
    pub shares: Option<Tensor>,
    /// How much each example counts, `[batch]`, where they don't all count the same.
    pub weights: Option<Tensor>,
}

impl Targets {
    /// Each example of one class or with one number, and all counting the same.
    pub fn of(labels: Tensor) -> Self {
        Targets { labels, shares: None, weights: None }
    }

    /// The shares of the classes, `[batch, classes]`, of which so much is spread evenly over all.
    fn smoothed(&self, classes: i64, smoothing: f64) -> Result<Tensor, TchError> {
        let shares = match &self.shares {
            Some(shares) => shares.shallow_clone(),
            None => self.labels.f_one_hot(classes)?.f_to_kind(Kind::Float)?,
        };
        if smoothing == 0.0 {
            return Ok(shares);
        }
        shares.f_mul_scalar(1.0 - smoothing)?.f_add_scalar(smoothing / classes as f64)
    }
}

/// Outputs as shares of their sum.
fn shares(outputs: &Tensor) -> Result<Tensor, TchError> {
    outputs.f_div(&outputs.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?)
}

/// The same, clipped as Keras does before a logarithm.
fn clipped_shares(outputs: &Tensor) -> Result<Tensor, TchError> {
    shares(outputs)?.f_clamp(EPSILON, 1.0 - EPSILON)
}

/// The cross-entropy of an example from the probability of its class.
fn crossentropy(probability: f64, logits: bool) -> f64 {
    // Logits aren't clipped, but their softmax may be 0 in single precision.
    let least = if logits { f64::from(f32::MIN_POSITIVE) } else { EPSILON };
    -probability.clamp(least, 1.0 - if logits { 0.0 } else { EPSILON }).ln()
}

/// By how much the true numbers are larger than the outputs, `[batch, 1]`; `[batch]`.
fn residuals(outputs: &Tensor, targets: &Targets) -> Result<Tensor, TchError> {
    targets.labels.f_sub(&outputs.f_squeeze_dim(1)?)
}

/// The losses of the examples, or their mean.
fn reduce(losses: &Tensor, reduction: Reduction) -> Result<Tensor, TchError> {
    match reduction {
        Reduction::Mean => losses.f_mean(Kind::Float),
        _ => Ok(losses.shallow_clone()),
    }
}

/// What all losses share.
pub trait LossDefinition {
    /// The losses of the examples, `[batch]`, or with [`Reduction::Mean`] their mean, a scalar.
    ///
    /// `outputs`: `[batch, units]`, most often a unit for each class; logits or probabilities as `from_logits` says. Of numbers
    /// `[batch, 1]`.
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
                self.reduced(outputs, targets, from_logits, Reduction::None)?.f_mul(weights)?.f_mean(Kind::Float)
            }
        }
    }

    /// What the model is to predict.
    fn task(&self) -> Task {
        Task::Classification
    }

    /// Whether a model may end in so many units for so many classes.
    fn accepts(&self, units: usize, classes: usize) -> bool {
        units == classes
    }

    /// Whether a model may end in softmax.
    fn bears_softmax(&self) -> bool {
        self.task() == Task::Classification
    }

    /// What is the larger the more probable a class is, `[batch, classes]`.
    ///
    /// # Errors
    /// What libtorch reports.
    fn scores(&self, outputs: &Tensor, _logits: bool) -> Result<Tensor, TchError> {
        Ok(outputs.shallow_clone())
    }

    /// The probabilities of the classes, `[batch, classes]`; or the predicted numbers, `[batch, 1]`.
    ///
    /// # Errors
    /// What libtorch reports.
    fn probabilities(&self, outputs: &Tensor, logits: bool) -> Result<Tensor, TchError> {
        match (self.task(), logits) {
            (Task::Regression, _) => Ok(outputs.shallow_clone()),
            (Task::Classification, true) => outputs.f_softmax(1, Kind::Float),
            (Task::Classification, false) => shares(outputs),
        }
    }

    /// The loss of an example of one class from the probability of that class, where it follows from that alone. `logits`:
    /// whether the model's outputs are logits.
    fn of_probability(&self, _probability: f64, _logits: bool) -> Option<f64> {
        None
    }

    /// The loss of an example whose number is by so much larger than what was predicted, where that is what it follows from.
    fn of_residual(&self, _residual: f64) -> Option<f64> {
        None
    }

    /// What the pipeline says of the model's outputs.
    fn outputs_are_logits(&self) -> FromLogits {
        FromLogits::Auto
    }
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
        categorical_crossentropy::CategoricalCrossentropy,
        binary_crossentropy::BinaryCrossentropy,
        categorical_focal_crossentropy::CategoricalFocalCrossentropy,
        mean_squared_error::MeanSquaredError,
        mean_absolute_error::MeanAbsoluteError,
    }
}
