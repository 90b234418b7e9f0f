//! Convolution of 3x3, max-pooling over 2x2 and ReLU as one kernel, and at the beginning of the model the scaling of bytes too.
//!
//! The kernel computes the same sums in another order: equal to rounding. Its gradients leave out only what is exactly zero: all
//! but the largest of each window, and what ReLU cut.

use crate::{
    layer::{ActivationFunction, Operator},
    model::{Means, Operation, fused_block::FusedBlock},
};
use tch::TchError;

/// Puts a kernel in the place of each convolution with a max-pooling behind it, where it is one that kernels know.
pub fn rewrite(operations: &mut Vec<Operation>, means: &Means) -> Result<(), TchError> {
    let Some(instructions) = means.instructions() else { return Ok(()) };
    let mut at = 0;
    while at + 1 < operations.len() {
        let halves = matches!(operations[at + 1].operator(), Operator::MaxPooling(pooling) if pooling.halves());
        let cuts = |at: usize| {
            let next = operations.get(at).map(Operation::operator);
            matches!(next, Some(Operator::Activation(ActivationFunction::Relu)))
        };
        let fused = match operations[at].operator() {
            Operator::Convolution(convolution) if halves => FusedBlock::new(convolution, cuts(at + 2), instructions),
            _ => None,
        };
        if let Some(mut fused) = fused {
            let end = at + if fused.relu() { 3 } else { 2 };
            let mut from = at;
            let mut replaced: Vec<Operation> = operations.drain(at..end).collect();
            // What scales bytes may be anywhere, but bytes are only at the beginning.
            if at == 1 && matches!(operations[0].operator(), Operator::Scaling(_)) {
                replaced.insert(0, operations.remove(0));
                fused = fused.with_scaling(replaced.remove(0));
                from = 0;
            }
            let mut layers = fused.scaling_layers();
            layers.extend(replaced.iter().flat_map(Operation::layers).cloned());
            operations.insert(from, Operation::Computation { layers, forward: Box::new(fused) });
            at = from;
        }
        at += 1;
    }
    Ok(())
}
