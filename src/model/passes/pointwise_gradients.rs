//! Convolutions of 1x1 whose kernels get their gradients from the program's own kernel.
//!
//! It computes the same sums in another order: equal to rounding. libtorch's takes five times as long where there are few channels. All else is
//! libtorch's; the gradient of the images is a convolution of 1x1 itself.

use crate::{
    layer::Operator,
    model::{Means, Operation, pointwise_convolution::PointwiseConvolution},
};
use tch::TchError;

/// Puts the kernel in the place of each convolution that it serves.
pub fn rewrite(operations: &mut [Operation], means: &Means) -> Result<(), TchError> {
    let Some(instructions) = means.instructions() else { return Ok(()) };
    for operation in operations {
        let pointwise = match operation.operator() {
            Operator::Convolution(convolution) if convolution.is_float32() => {
                PointwiseConvolution::new(convolution, instructions)
            }
            _ => None,
        };
        if let Some(pointwise) = pointwise {
            *operation = Operation::Computation { layers: operation.layers().to_vec(), forward: Box::new(pointwise) };
        }
    }
    Ok(())
}
