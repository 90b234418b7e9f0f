//! Convolutions of 3x3 with nothing to fuse behind them by Winograd's method, forward and for the gradient of the images.
//!
//! Outputs of 2x2 take 16 multiplications instead of 36; the sums are the same but for roundings. The gradient of the kernel is
//! libtorch's.

use crate::{
    layer::Operator,
    model::{Means, Operation, fast_convolution::FastConvolution},
};
use tch::TchError;

/// Puts the kernel in the place of each convolution that it serves.
pub fn rewrite(operations: &mut Vec<Operation>, means: &Means) -> Result<(), TchError> {
    let Some(instructions) = means.instructions() else { return Ok(()) };
    for operation in operations {
        let fast = match operation.operator() {
            Operator::Convolution(convolution) if convolution.is_float32() => {
                FastConvolution::new(convolution, instructions)
            }
            _ => None,
        };
        if let Some(fast) = fast {
            *operation = Operation::Computation { layers: operation.layers().to_vec(), forward: Box::new(fast) };
        }
    }
    Ok(())
}
