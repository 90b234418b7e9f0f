//! Keeps small gradients apart from 0 where numbers of 16 bits with a small exponent are multiplied, as Keras'
//! `LossScaleOptimizer` (Micikevicius et al., 2018): the loss is multiplied by a scale, and the gradients divided by it.
//!
//! The scale doubles after 2000 steps, and halves where a gradient isn't finite; that step is left out.

use crate::{
    layer::Precision,
    model::Model,
    optimizer::norm,
    run::checkpoint::{Position, Scaling},
};
use tch::{TchError, Tensor};

/// Keras' `initial_scale` and `dynamic_growth_steps`.
const INITIAL: f64 = 32768.0;
const GROWTH_STEPS: u32 = 2000;

/// The scale, as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LossScale(Scaling);

impl LossScale {
    /// The scale that training with `precision` begins with, where it wants one.
    pub fn of(precision: Precision) -> Option<Self> {
        (precision == Precision::MixedFloat16).then_some(LossScale(Scaling { scale: INITIAL, steps: 0, skipped: 0 }))
    }

    /// What a checkpoint keeps of it.
    pub fn kept(self) -> Scaling {
        self.0
    }

    /// Goes on from what a checkpoint kept.
    pub fn go_on_from(&mut self, position: &Position) {
        if let Some(scaling) = position.loss_scale {
            self.0 = scaling;
        }
    }

    /// Steps that were left out so far.
    pub fn skipped(self) -> u64 {
        self.0.skipped
    }

    /// The loss to go back from.
    pub fn scaled(self, loss: &Tensor) -> Result<Tensor, TchError> {
        loss.f_mul_scalar(self.0.scale)
    }

    /// Brings the gradients of `model` back to their size, and says whether all of them are finite, so that they make a step.
    pub fn unscale(&mut self, model: &Model) -> Result<bool, TchError> {
        let gradients: Vec<Tensor> = model.trainable().map(|it| it.tensor.f_grad()).collect::<Result<_, _>>()?;
        for gradient in &gradients {
            let _ = gradient.shallow_clone().f_mul_scalar_(1.0 / self.0.scale)?;
        }
        let finite = gradients.is_empty() || norm(&gradients)?.f_double_value(&[])?.is_finite();
        self.heed(finite);
        Ok(finite)
    }

    fn heed(&mut self, finite: bool) {
        let Scaling { scale, steps, skipped } = &mut self.0;
        *steps += 1;
        if !finite {
            (*scale, *steps, *skipped) = (*scale / 2.0, 0, *skipped + 1);
        } else if *steps == GROWTH_STEPS {
            (*scale, *steps) = (*scale * 2.0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_doubles_after_many_steps_and_halves_at_once() {
        assert_eq!(LossScale::of(Precision::MixedBfloat16), None);
        let mut scale = LossScale::of(Precision::MixedFloat16).unwrap();
        for _ in 1..GROWTH_STEPS {
            scale.heed(true);
        }
        assert_eq!(scale.0.scale, INITIAL);
        scale.heed(true);
        assert_eq!(scale, LossScale(Scaling { scale: 2.0 * INITIAL, steps: 0, skipped: 0 }));
        scale.heed(true);
        scale.heed(false);
        assert_eq!(scale, LossScale(Scaling { scale: INITIAL, steps: 0, skipped: 1 }));
        let mut after = LossScale::of(Precision::MixedFloat16).unwrap();
        after.go_on_from(&Position { loss_scale: Some(scale.kept()), ..Position::default() });
        assert_eq!(after, scale);
    }
}
