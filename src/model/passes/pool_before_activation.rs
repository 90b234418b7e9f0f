//! Max-pooling before a monotonic activation instead of behind it.
//!
//! `max(f(a), f(b)) = f(max(a, b))` where `f` never maps a larger number to a smaller one, so the results are the same to the
//! last bit, gradients included: the activation's gradient is the same at the maximum, and zero where ReLU cuts all of a
//! window. Behind a 2x2 pooling the activation has a quarter of the work.

use crate::model::Operation;

/// Swaps each monotonic activation with the max-pooling behind it.
pub fn pool_before_activation(operations: &mut [Operation]) {
    for at in 1..operations.len() {
        if operations[at - 1].forward.is_monotonic() && operations[at].forward.is_max_pooling() {
            operations.swap(at - 1, at);
        }
    }
}
