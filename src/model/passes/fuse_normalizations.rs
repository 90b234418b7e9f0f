//! Batch normalization with the addition of a shortcut and the ReLU or ReLU6 behind it as one kernel.
//!
//! It computes the same sums in another order: equal to rounding. These operations do little with much memory, and as one they
//! read and write it less than half as often. Normalization that is synchronized over processes is left as it is.

use crate::{
    kernel::{Cut, Instructions},
    layer::{ActivationFunction, Merge, Operator},
    model::{Join, Means, Operation, fused_normalization::FusedNormalization},
};
use tch::TchError;

/// Puts the kernel in the place of each normalization over the batch that it serves.
pub fn rewrite(operations: &mut Vec<Operation>, means: &Means) -> Result<(), TchError> {
    let Some(instructions) = means.instructions() else { return Ok(()) };
    for at in 0..operations.len() {
        let Some(operation) = operations.get(at) else { break };
        let next = operations.get(at + 1).map(Operation::operator);
        let cut = match next {
            Some(Operator::Activation(ActivationFunction::Relu)) => Cut::Relu,
            Some(Operator::Activation(ActivationFunction::Relu6)) => Cut::Relu6,
            _ => Cut::Nothing,
        };
        let cuts = cut != Cut::Nothing;
        let behind = if cuts { operations[at + 1].layers().to_vec() } else { Vec::new() };
        let layers = [operation.layers(), &behind].concat();
        let fused = match &mut operations[at] {
            Operation::Computation { forward, .. } => fused(forward.operator(), false, cut, instructions)
                .map(|fused| Operation::Computation { layers, forward: Box::new(fused) }),
            Operation::Parallel { rows, join: Join::Merge(Merge::Add), .. } => last_in_two(rows).and_then(|row| {
                let fused = fused(rows[row].last()?.operator(), true, cut, instructions)?;
                let normalization = rows[row].pop()?;
                rows.swap(0, row);
                let layers = [normalization.layers(), &layers].concat();
                Some(Operation::Parallel {
                    layers,
                    rows: std::mem::take(rows),
                    join: Join::NormalizedSum(Box::new(fused)),
                })
            }),
            Operation::Parallel { .. } => None,
        };
        if let Some(fused) = fused {
            operations[at] = fused;
            if cuts {
                operations.remove(at + 1);
            }
        }
    }
    Ok(())
}

/// A normalization over the batch, with the convolution before it if that is known to be one operation with it, an addition and a cut.
fn fused(operator: Operator<'_>, adds: bool, cut: Cut, instructions: Instructions) -> Option<FusedNormalization> {
    match operator {
        Operator::BatchNormalization(normalize) if !normalize.is_synchronized() => {
            FusedNormalization::new(normalize, adds, cut, instructions)
        }
        Operator::NormalizedConvolution(convolution, normalize) => {
            FusedNormalization::new(normalize, adds, cut, instructions)?.behind(convolution)
        }
        _ => None,
    }
}

/// Which of two rows ends in a normalization over the batch.
fn last_in_two(rows: &[Vec<Operation>]) -> Option<usize> {
    let normalizes = |row: &Vec<Operation>| match row.last().map(Operation::operator) {
        Some(Operator::BatchNormalization(normalize)) => !normalize.is_synchronized(),
        Some(Operator::NormalizedConvolution(..)) => true,
        _ => false,
    };
    rows.iter().position(normalizes).filter(|_| rows.len() == 2)
}
