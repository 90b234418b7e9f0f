//! `y = (x - mean) / max(sqrt(variance), 1e-7)`, as Keras' `Normalization`, with mean and variance of the training data.
//!
//! For images each channel has its own, for vectors each feature. They are computed before training, from the training
//! split alone, before any augmentation, and are stored with the weights (what never varies is only shifted): what is predicted or evaluated later is
//! normalized by the same numbers.

use super::{Build, Forward, Initializer, LayerDefinition, Operator, Parameter, Pass, ShapeError, display_shape, elements, for_each_channel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Keras' `epsilon()`.
const EPSILON: f64 = 1e-7;

/// Brings each channel of the training data to mean 0 and variance 1; validation and test data by the same numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["StandardScaler", "standardize"], "examples" = [{}, {"mean": [125.3, 123.0, 113.9], "variance": [3967.0, 3890.0, 4450.0]}]))]
pub struct Normalization {
    /// A mean for each channel; that of the training data where it isn't given. It goes with `variance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub mean: Option<Vec<f64>>,
    /// A variance, the square of a standard deviation, for each channel; that of the training data where it isn't given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536), inner(range(min = 0)), extend("x-known-as" = ["std"]))]
    pub variance: Option<Vec<f64>>,
}

/// What values of this variance are multiplied by.
pub fn factor(variance: f64) -> f64 {
    1.0 / variance.sqrt().max(EPSILON)
}

impl Normalization {
    /// Whether mean and variance come from the data.
    pub fn adapts(&self) -> bool {
        self.mean.is_none()
    }
}

impl LayerDefinition for Normalization {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let wrong = |message, help| Err(ShapeError::new(message, help).or(input.to_vec()));
        if self.mean.is_some() != self.variance.is_some() {
            let one = if self.mean.is_some() { "mean" } else { "variance" };
            return wrong(
                format!("`normalization` has only a `{one}`"),
                "give `mean` and `variance`, or neither of them",
            );
        }
        let channels = input.last().copied().unwrap_or(1);
        for (name, values) in [("mean", &self.mean), ("variance", &self.variance)] {
            if let Some(count) = values.as_ref().map(Vec::len).filter(|count| *count != channels) {
                return wrong(
                    format!("`{name}` has length {count}, and {} reaches the layer", display_shape(input)),
                    "give a number for each channel",
                );
            }
        }
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let shape = vec![input.last().copied().unwrap_or(1) as i64];
        let parameter =
            |name, initializer| Parameter::new(name, shape.clone(), initializer).trainable(false);
        vec![parameter("mean", Initializer::Zeros), parameter("variance", Initializer::Ones)]
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input).saturating_mul(2)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut parameters = build.parameters.into_iter();
        let mut statistic = |given: &Option<Vec<f64>>| {
            let tensor = parameters.next().expect("both statistics are declared");
            if let Some(given) = given {
                let values: Vec<f32> = given.iter().map(|&value| value as f32).collect();
                tch::no_grad(|| tensor.shallow_clone().copy_(&Tensor::from_slice(&values)));
            }
            tensor
        };
        vec![Box::new(Standardize { mean: statistic(&self.mean), variance: statistic(&self.variance) })]
    }
}

struct Standardize {
    mean: Tensor,
    variance: Tensor,
}

impl Forward for Standardize {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let factor = self.variance.f_sqrt()?.f_clamp_min(EPSILON)?.f_reciprocal()?;
        let offset = for_each_channel(&self.mean.f_mul(&factor)?, x)?;
        // Bytes are promoted to float32 within the multiplication.
        x.f_mul(&for_each_channel(&factor, x)?)?.f_sub_(&offset)
    }

    fn operator(&self) -> Operator<'_> {
        let scaling = || {
            let numbers = |tensor: &Tensor| Vec::<f32>::try_from(&tensor.f_to_device(tch::Device::Cpu)?.f_contiguous()?);
            let scale: Vec<f64> = numbers(&self.variance)?.into_iter().map(|variance| factor(variance.into())).collect();
            let offset = numbers(&self.mean)?.into_iter().zip(&scale).map(|(mean, scale)| -f64::from(mean) * scale);
            let offset = offset.collect();
            Ok((scale, offset))
        };
        Operator::Scaling(scaling())
    }
}
