//! Convolutions of 1x1 whose kernels get their gradients from the program's own kernel.
//!
//! It computes the same sums in another order: equal to rounding. libtorch's takes five times as long where there are few channels. All else is
//! libtorch's; the gradient of the images is a convolution of 1x1 itself.

use super::replace_convolutions;
use crate::model::{Means, Operation, pointwise_convolution::PointwiseConvolution};
use tch::TchError;

/// Puts the kernel in the place of each convolution that it serves.
pub fn rewrite(operations: &mut [Operation], means: &Means) -> Result<(), TchError> {
    replace_convolutions(operations, means, PointwiseConvolution::new);
    Ok(())
}
