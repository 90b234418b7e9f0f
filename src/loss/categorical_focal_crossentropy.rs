//! `-sum(alpha * (1 - p)^gamma * y * log(p))` (Lin et al., 2017), as Keras' `CategoricalFocalCrossentropy`.

use super::{EPSILON, FromLogits, LossDefinition, Targets, clipped_shares, reduce};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

/// A cross-entropy in which examples that are predicted well count less, for data with rare classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["focal", "focal_loss", "FocalLoss"], "examples" = [{}, {"gamma": 1.0, "alpha": 1.0}]))]
pub struct CategoricalFocalCrossentropy {
    /// What all losses are multiplied by.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000))]
    pub alpha: f64,
    /// How much less an example counts the better it is predicted: 0 is the cross-entropy.
    #[schemars(range(min = 0, max = 100))]
    pub gamma: f64,
    /// Whether the model's outputs are logits; `auto` looks at its last activation.
    pub from_logits: FromLogits,
    /// How much of each label is spread evenly over all classes. As in Keras, validation and test losses are computed so, too.
    #[schemars(range(min = 0, max = 1))]
    pub label_smoothing: f64,
}

impl Default for CategoricalFocalCrossentropy {
    fn default() -> Self {
        CategoricalFocalCrossentropy { alpha: 0.25, gamma: 2.0, from_logits: FromLogits::Auto, label_smoothing: 0.0 }
    }
}

impl LossDefinition for CategoricalFocalCrossentropy {
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError> {
        let wanted = targets.smoothed(outputs.size()[1], self.label_smoothing)?;
        let probabilities = match from_logits {
            true => outputs.f_softmax(1, Kind::Float)?.f_clamp(EPSILON, 1.0 - EPSILON)?,
            false => clipped_shares(outputs)?,
        };
        let doubt = probabilities.f_neg()?.f_add_scalar(1.0)?.f_pow_tensor_scalar(self.gamma)?;
        let losses = probabilities.f_log()?.f_mul(&wanted)?.f_mul(&doubt)?.f_mul_scalar(-self.alpha)?;
        reduce(&losses.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float)?, reduction)
    }

    fn of_probability(&self, probability: f64, _logits: bool) -> Option<f64> {
        let probability = probability.clamp(EPSILON, 1.0 - EPSILON);
        let loss = -self.alpha * (1.0 - probability).powf(self.gamma) * probability.ln();
        (self.label_smoothing == 0.0).then_some(loss)
    }

    fn outputs_are_logits(&self) -> FromLogits {
        self.from_logits
    }
}
