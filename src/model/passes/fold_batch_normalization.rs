//! Batch normalization of inference within the kernel before it.
//!
//! With the moving statistics it is `y = factor * x + offset` for each channel, and a convolution or a dense layer is linear:
//! `factor * (kernel x + bias) + offset = (factor * kernel) x + (factor * bias + offset)`. A max-pooling in between commutes
//! with it where no factor is negative.

use crate::{
    layer::{Affine, Forward, Operator},
    model::{Means, Operation},
};
use tch::TchError;

/// Folds each normalization into the convolution or dense layer before it, where there is one.
pub fn rewrite(operations: &mut Vec<Operation>, _: &Means) -> Result<(), TchError> {
    let mut at = 1;
    while at < operations.len() {
        if folds(operations, at)? {
            operations.remove(at);
        } else {
            at += 1;
        }
    }
    Ok(())
}

/// Folds the operation at `at` into one before it, if it can be.
fn folds(operations: &mut [Operation], at: usize) -> Result<bool, TchError> {
    let Operator::BatchNormalization(normalize) = operations[at].operator() else { return Ok(false) };
    let (factor, offset) = normalize.scaling()?;
    let mut into = at - 1;
    if matches!(operations[into].operator(), Operator::MaxPooling(_)) && into > 0 {
        if factor.f_lt(0.0)?.f_any()?.f_int64_value(&[])? != 0 {
            return Ok(false);
        }
        into -= 1;
    }
    let folded = |Affine { kernel, bias }: &Affine| -> Result<Affine, TchError> {
        let mut shape = vec![1; kernel.dim()];
        shape[0] = -1;
        // The kernel's order in memory stays.
        let kernel = kernel.f_mul(&factor.f_view(&shape[..])?)?.f_detach()?;
        let bias = match bias {
            Some(bias) => bias.f_mul(&factor)?.f_add(&offset)?.f_detach()?,
            None => offset.shallow_clone(),
        };
        Ok(Affine { kernel, bias: Some(bias) })
    };
    let replaced: Box<dyn Forward> = match operations[into].operator() {
        Operator::Convolution(convolution) => Box::new(convolution.with(folded(&convolution.weights)?)),
        Operator::Product(product) => Box::new(product.with(folded(&product.weights)?)),
        _ => return Ok(false),
    };
    let layers = [operations[into].layers(), operations[at].layers()].concat();
    operations[into] = Operation::Computation { layers, forward: replaced };
    Ok(true)
}
