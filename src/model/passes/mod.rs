//! Rewritings of the row of operations that keep what it computes: one file a pass, in the order in which they are made.

mod fast_convolutions;
mod fold_batch_normalization;
mod fold_scaling;
mod fuse_blocks;
mod fuse_normalizations;
mod leave_out_dropout;
mod normalize_convolutions;
mod pointwise_gradients;
mod pool_before_activation;
mod turn_kernels;

use super::{Join, Means, Operation};
use crate::{
    kernel::Instructions,
    layer::{Forward, Operator, conv2d::Convolution},
};
use serde::Serialize;
use tch::TchError;

/// What a model is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its weights change, and batches are normalized by themselves.
    Training,
    /// Its weights stay.
    Inference,
    /// What leaves each layer is looked at, so none is left out.
    Looking,
}

/// A rewriting.
struct Rewriting {
    /// Its file's name.
    name: &'static str,
    /// What it is for, where that isn't everything: some are only true where weights stay, others of use where they change.
    only: Option<Purpose>,
    /// Rewrites a row.
    rewrite: fn(&mut Vec<Operation>, &Means) -> Result<(), TchError>,
}

impl Rewriting {
    fn is_for(&self, purpose: Purpose) -> bool {
        self.only.is_none_or(|only| only == purpose)
    }
}

const REWRITINGS: [Rewriting; 10] = [
    Rewriting { name: "leave_out_dropout", only: Some(Purpose::Inference), rewrite: leave_out_dropout::rewrite },
    Rewriting {
        name: "fold_batch_normalization",
        only: Some(Purpose::Inference),
        rewrite: fold_batch_normalization::rewrite,
    },
    Rewriting {
        name: "pool_before_activation",
        only: None,
        rewrite: |row, means| pool_before_activation::rewrite(row, means),
    },
    Rewriting { name: "fold_scaling", only: None, rewrite: fold_scaling::rewrite },
    Rewriting { name: "fuse_blocks", only: None, rewrite: fuse_blocks::rewrite },
    Rewriting {
        name: "normalize_convolutions",
        only: Some(Purpose::Training),
        rewrite: |row, means| normalize_convolutions::rewrite(row, means),
    },
    Rewriting { name: "fast_convolutions", only: None, rewrite: |row, means| fast_convolutions::rewrite(row, means) },
    Rewriting {
        name: "pointwise_gradients",
        only: Some(Purpose::Training),
        rewrite: |row, means| pointwise_gradients::rewrite(row, means),
    },
    Rewriting { name: "fuse_normalizations", only: None, rewrite: fuse_normalizations::rewrite },
    Rewriting {
        name: "turn_kernels",
        only: Some(Purpose::Inference),
        rewrite: |row, means| turn_kernels::rewrite(row, means),
    },
];

/// The names of the passes that training makes with `means`.
pub fn names(means: &Means) -> Vec<String> {
    let made = REWRITINGS.iter().filter(|rewriting| means.optimize && rewriting.is_for(Purpose::Training));
    made.map(|rewriting| rewriting.name.to_owned()).collect()
}

/// Makes all passes over `operations` and the rows within them.
pub fn optimize(operations: &mut Vec<Operation>, purpose: Purpose, means: &Means) -> Result<(), TchError> {
    for operation in operations.iter_mut() {
        if let Operation::Parallel { rows, .. } = operation {
            rows.iter_mut().try_for_each(|row| optimize(row, purpose, means))?;
        }
    }
    let mut wanted = REWRITINGS.iter().filter(|rewriting| rewriting.is_for(purpose));
    wanted.try_for_each(|rewriting| (rewriting.rewrite)(operations, means))
}

/// Puts what `new` makes of a convolution of 32 bits, where it makes something of it, in its place.
fn replace_convolutions<F: Forward + 'static>(
    operations: &mut [Operation],
    means: &Means,
    new: impl Fn(&Convolution, Instructions) -> Option<F>,
) {
    let Some(instructions) = means.instructions() else { return };
    for operation in operations {
        let made = match operation.operator() {
            Operator::Convolution(convolution) if convolution.is_float32() => new(convolution, instructions),
            _ => None,
        };
        if let Some(made) = made {
            *operation = Operation::Computation { layers: operation.layers().to_vec(), forward: Box::new(made) };
        }
    }
}

/// An operation, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperationRow {
    /// How deep it stands within others.
    pub depth: usize,
    /// The layers that it computes.
    pub layers: Vec<String>,
    /// What computes it.
    pub operation: String,
}

/// The operations as they are shown.
pub fn rows(operations: &[Operation]) -> Vec<OperationRow> {
    fn add(operations: &[Operation], depth: usize, rows: &mut Vec<OperationRow>) {
        for operation in operations {
            let shown = match operation {
                Operation::Computation { forward, .. } => {
                    forward.describe().unwrap_or_else(|| name(&forward.operator()).to_owned())
                }
                Operation::Parallel { join: Join::NormalizedSum(fused), .. } => fused.describe().unwrap_or_default(),
                Operation::Parallel { .. } => "merge".to_owned(),
            };
            if let Operation::Parallel { rows: inner, .. } = operation {
                inner.iter().for_each(|row| add(row, depth + 1, rows));
            }
            // A layer may have become several operations.
            let known = operation.layers();
            let firsts = known.iter().enumerate().filter(|(at, layer)| !known[..*at].contains(layer));
            let layers = firsts.map(|(_, layer)| layer.clone()).collect();
            rows.push(OperationRow { depth, layers, operation: shown });
        }
    }
    let mut rows = Vec::new();
    add(operations, 0, &mut rows);
    rows
}

fn name(operator: &Operator<'_>) -> &'static str {
    match operator {
        Operator::Scaling(_) => "scale",
        Operator::Convolution(_) => "convolution",
        Operator::MaxPooling(_) => "max-pooling",
        Operator::Activation(function) => function.name(),
        Operator::BatchNormalization(_) => "normalize",
        Operator::NormalizedConvolution(..) => "convolution, normalize",
        Operator::Product(_) => "matrix product",
        Operator::Disturbance => "mask",
        Operator::Other => "arrange",
    }
}
