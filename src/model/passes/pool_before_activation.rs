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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Build, Layer, Pass};
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
        let operation = |forward| Operation { layer: String::new(), forward };
        let mut operations: Vec<Operation> = built.into_iter().map(operation).collect();
        if rewritten {
            pool_before_activation(&mut operations);
            assert!(operations[1].forward.is_max_pooling() && operations[2].forward.is_monotonic());
        }
        let pass = Pass { training: true, seed: 0, step: 0 };
        let step = |x: Tensor, operation: &Operation| operation.forward.forward(&x, &pass).expect("it computes");
        let outputs = operations.iter().fold(images.shallow_clone(), step);
        outputs.square().sum(Kind::Float).backward();
        [outputs, images.grad(), kernel.grad()]
    }

    #[test]
    fn outputs_and_gradients_are_the_same_bits() {
        assert_eq!(computed(true), computed(false));
    }
}
