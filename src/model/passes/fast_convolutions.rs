//! Convolutions of 3x3 with nothing to fuse behind them by Winograd's method, forward and for the gradient of the images.
//!
//! Outputs of 2x2 take 16 multiplications instead of 36; the sums are the same but for roundings. The gradient of the kernel is
//! libtorch's where there are many channels.

use super::replace_convolutions;
use crate::model::{Means, Operation, fast_convolution::FastConvolution};
use tch::TchError;

/// Puts the kernel in the place of each convolution that it serves.
pub fn rewrite(operations: &mut [Operation], means: &Means) -> Result<(), TchError> {
    replace_convolutions(operations, means, FastConvolution::new);
    Ok(())
}
