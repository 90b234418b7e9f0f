//! Max-pooling before a monotonic activation instead of behind it.
//!
//! `max(f(a), f(b)) = f(max(a, b))` where `f` never maps a larger number to a smaller one, so the results are the same to the
//! last bit, gradients included: the activation's gradient is the same at the maximum, and zero where ReLU cuts all of a
//! window. Behind a 2x2 pooling the activation has a quarter of the work.

use crate::{layer::Forward, model::Operation};

/// Swaps each monotonic activation with the max-pooling behind it.
pub fn pool_before_activation(operations: &mut [Operation]) {
    for operation in operations.iter_mut() {
        if let Operation::Parallel { rows, .. } = operation {
            rows.iter_mut().for_each(|row| pool_before_activation(row));
        }
    }
    for at in 1..operations.len() {
        let monotonic = operations[at - 1].computation().is_some_and(Forward::is_monotonic);
        let pooling = operations[at].computation().is_some_and(Forward::is_max_pooling);
        if monotonic && pooling {
            operations.swap(at - 1, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layer::{Build, Layer, Pass},
        model::through,
    };
    use tch::{Kind, Tensor};

    /// Outputs, and gradients of the images and of the kernel, of a convolution with ReLU before a pooling.
    fn computed(rewritten: bool) -> [Tensor; 3] {
        let layer = |text: &str| serde_json::from_str::<Layer>(text).expect("a layer");
        let convolution = layer(
            r#"{"conv2d": {"filters": 5, "kernel_size": 3, "padding": "same", "activation": "relu", "use_bias": false}}"#,
        );
        let numbers = |count: i64| (Tensor::arange(count, tch::kind::FLOAT_CPU) * 0.7).sin();
        let kernel = numbers(5 * 3 * 9).view([5, 3, 3, 3]).set_requires_grad(true);
        let images = numbers(2 * 3 * 9 * 8).view([2, 3, 9, 8]).set_requires_grad(true);
        let parameters = vec![kernel.shallow_clone()];
        let mut built = convolution.build(Build { name: "conv2d", input: &[9, 8, 3], parameters });
        let pooling = Build { name: "max_pooling2d", input: &[9, 8, 5], parameters: vec![] };
        built.extend(layer(r#"{"max_pooling2d": {}}"#).build(pooling));
        let operation = |forward| Operation::Computation { layer: String::new(), forward };
        let mut operations: Vec<Operation> = built.into_iter().map(operation).collect();
        if rewritten {
            pool_before_activation(&mut operations);
            let computes = |at: usize| operations[at].computation().expect("only computations");
            assert!(computes(1).is_max_pooling() && computes(2).is_monotonic());
        }
        let pass = Pass { training: true, seed: 0, step: 0 };
        let outputs = through(&operations, images.shallow_clone(), &pass, &mut |_, _| ()).expect("it computes");
        outputs.square().sum(Kind::Float).backward();
        [outputs, images.grad(), kernel.grad()]
    }

    #[test]
    fn outputs_and_gradients_are_the_same_bits() {
        assert_eq!(computed(true), computed(false));
    }
}
