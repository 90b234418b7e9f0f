//! A convolution of 3x3 and the normalization over the batch behind it as one operation.
//!
//! It computes what [`super::fast_convolutions`] and [`super::fuse_normalizations`] make of the two, equal to rounding, and goes through
//! memory less often: the statistics are taken of an image that has just been computed, and on the way back the gradient between the
//! two is computed where the convolution's reads it. Normalization that is synchronized over processes is left as it is.

use crate::{
    kernel::Cut,
    layer::Operator,
    model::{Means, Operation, fused_normalization::FusedNormalization},
};
use tch::TchError;

/// Puts one operation in the place of each pair that kernels serve.
pub fn rewrite(operations: &mut Vec<Operation>, means: &Means) -> Result<(), TchError> {
    let Some(instructions) = means.instructions() else { return Ok(()) };
    let mut at = 0;
    while at + 1 < operations.len() {
        let pair = [&operations[at], &operations[at + 1]];
        let fused = match pair.map(Operation::operator) {
            [Operator::Convolution(convolution), Operator::BatchNormalization(normalize)]
                if convolution.is_float32() && !normalize.is_synchronized() =>
            {
                FusedNormalization::new(normalize, false, Cut::Nothing, instructions)
                    .and_then(|fused| fused.behind(convolution))
            }
            _ => None,
        };
        if let Some(fused) = fused {
            let layers = pair.map(Operation::layers).concat();
            operations[at] = Operation::Computation { layers, forward: Box::new(fused) };
            operations.remove(at + 1);
        }
        at += 1;
    }
    Ok(())
}
