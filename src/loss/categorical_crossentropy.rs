//! `-sum(y * log(p))`, where `p` are the probabilities of the classes and `y` is 1 for an example's own, as Keras'
//! `CategoricalCrossentropy`.

use super::{FromLogits, LossDefinition, Targets, clipped_shares, crossentropy, reduce};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

/// The cross-entropy between the predicted classes and one-hot labels, which are made from the numbers of the classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"label_smoothing": 0.1}]))]
pub struct CategoricalCrossentropy {
    /// Whether the model's outputs are logits; `auto` looks at its last activation.
    pub from_logits: FromLogits,
    /// How much of each label is spread evenly over all classes. As in Keras, validation and test losses are computed so, too.
    #[schemars(range(min = 0, max = 1))]
    pub label_smoothing: f64,
}

impl LossDefinition for CategoricalCrossentropy {
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError> {
        if from_logits {
            let wanted = targets.shares.as_ref().unwrap_or(&targets.labels);
            return outputs.f_cross_entropy_loss(wanted, None::<Tensor>, reduction, -100, self.label_smoothing);
        }
        let wanted = targets.smoothed(outputs.size()[1], self.label_smoothing)?;
        let losses = clipped_shares(outputs)?.f_log()?.f_mul(&wanted)?.f_neg()?;
        reduce(&losses.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float)?, reduction)
    }

    fn of_probability(&self, probability: f64, logits: bool) -> Option<f64> {
        (self.label_smoothing == 0.0).then(|| crossentropy(probability, logits))
    }

    fn outputs_are_logits(&self) -> FromLogits {
        self.from_logits
    }
}
