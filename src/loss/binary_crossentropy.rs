//! `-(y * log(p) + (1 - y) * log(1 - p))`, as Keras' `BinaryCrossentropy`: of one output, which is the probability of the second
//! of two classes; or the mean over an output for each class, where `y` is 1 for an example's own.

use super::{EPSILON, FromLogits, LossDefinition, Targets, reduce, shares};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

/// The cross-entropy of a yes or no: for two classes and a model that ends in `dense: 1`, or with a yes or no for each class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["BCELoss", "BCEWithLogitsLoss", "log_loss"], "examples" = [{}, {"label_smoothing": 0.1}]))]
pub struct BinaryCrossentropy {
    /// Whether the model's outputs are logits; `auto` looks at its last activation.
    pub from_logits: FromLogits,
    /// How much of each label is spread evenly over yes and no. As in Keras, validation and test losses are computed so, too.
    #[schemars(range(min = 0, max = 1))]
    pub label_smoothing: f64,
}

impl LossDefinition for BinaryCrossentropy {
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError> {
        let wanted = match (outputs.size()[1], &targets.shares) {
            (1, None) => targets.labels.f_to_kind(Kind::Float)?.f_unsqueeze(1)?,
            (1, Some(shares)) => shares.f_narrow(1, 1, 1)?,
            (units, _) => targets.smoothed(units, 0.0)?,
        };
        let wanted = wanted.f_mul_scalar(1.0 - self.label_smoothing)?.f_add_scalar(0.5 * self.label_smoothing)?;
        let losses = if from_logits {
            outputs.f_binary_cross_entropy_with_logits(&wanted, None::<Tensor>, None::<Tensor>, Reduction::None)?
        } else {
            let clipped = outputs.f_clamp(EPSILON, 1.0 - EPSILON)?;
            clipped.f_binary_cross_entropy(&wanted, None::<Tensor>, Reduction::None)?
        };
        reduce(&losses.f_mean_dim([1i64].as_slice(), false, Kind::Float)?, reduction)
    }

    fn accepts(&self, units: usize, classes: usize) -> bool {
        units == classes || (units, classes) == (1, 2)
    }

    fn scores(&self, outputs: &Tensor, logits: bool) -> Result<Tensor, TchError> {
        match (outputs.size()[1], logits) {
            (1, true) => Tensor::f_cat(&[outputs.f_neg()?, outputs.shallow_clone()], 1),
            (1, false) => Tensor::f_cat(&[outputs.f_neg()?.f_add_scalar(1.0)?, outputs.shallow_clone()], 1),
            _ => Ok(outputs.shallow_clone()),
        }
    }

    fn probabilities(&self, outputs: &Tensor, logits: bool) -> Result<Tensor, TchError> {
        let yes = if logits { outputs.f_sigmoid()? } else { outputs.shallow_clone() };
        match outputs.size()[1] {
            1 => Tensor::f_cat(&[yes.f_neg()?.f_add_scalar(1.0)?, yes], 1),
            _ => shares(&yes),
        }
    }

    /// With an output for each class it hangs on the others, too.
    fn of_probability(&self, probability: f64, logits: bool) -> Option<f64> {
        let least = if logits { f64::from(f32::MIN_POSITIVE) } else { EPSILON };
        (self.label_smoothing == 0.0).then(|| -probability.max(least).ln())
    }

    fn outputs_are_logits(&self) -> FromLogits {
        self.from_logits
    }

    fn bears_softmax(&self) -> bool {
        false
    }
}
