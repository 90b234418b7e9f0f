//! `-log(p[label])`, where `p` are the probabilities of the classes, as Keras' `SparseCategoricalCrossentropy`; for an
//! example of several classes the mean of it by their shares, as Keras' `CategoricalCrossentropy`.

use super::{EPSILON, FromLogits, LossDefinition, Targets, crossentropy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Reduction, TchError, Tensor};

/// The cross-entropy between the predicted classes and labels that are whole numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["CrossEntropyLoss", "cross_entropy"], "examples" = [{}, {"from_logits": true}, {"label_smoothing": 0.1}]))]
pub struct SparseCategoricalCrossentropy {
    /// Whether the model's outputs are logits; `auto` looks at its last activation.
    #[serde(default)]
    pub from_logits: FromLogits,
    /// How much of each label is spread evenly over all classes. As in Keras, validation and test losses are computed so, too.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub label_smoothing: f64,
}

impl LossDefinition for SparseCategoricalCrossentropy {
    fn reduced(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        from_logits: bool,
        reduction: Reduction,
    ) -> Result<Tensor, TchError> {
        // Keras takes the logarithm of clipped probabilities and hands it on as logits, which normalises them.
        let clipped = if from_logits { None } else { Some(outputs.f_clamp(EPSILON, 1.0 - EPSILON)?.f_log()?) };
        let logits = clipped.as_ref().unwrap_or(outputs);
        let wanted = targets.shares.as_ref().unwrap_or(&targets.labels);
        logits.f_cross_entropy_loss(wanted, None::<Tensor>, reduction, -100, self.label_smoothing)
    }

    fn of_probability(&self, probability: f64, logits: bool) -> Option<f64> {
        (self.label_smoothing == 0.0).then(|| crossentropy(probability, logits))
    }

    fn outputs_are_logits(&self) -> FromLogits {
        self.from_logits
    }
}
