//! Max-pooling before a monotonic activation instead of behind it.
//!
//! `max(f(a), f(b)) = f(max(a, b))` where `f` never maps a larger number to a smaller one, so the results are the same to the
//! last bit, gradients included: the activation's gradient is the same at the maximum, and zero where ReLU, or ReLU6 from above, cuts all of a
//! window. Others never fall either, but round different numbers to the same, and gradients would go to another one. Behind a 2x2 pooling the activation has a quarter of the work.

use crate::{
    layer::{ActivationFunction, Operator},
    model::{Means, Operation},
};
use tch::TchError;

/// Swaps each monotonic activation with the max-pooling behind it.
pub fn rewrite(operations: &mut [Operation], _: &Means) -> Result<(), TchError> {
    for at in 1..operations.len() {
        let function = match operations[at - 1].operator() {
            Operator::Activation(function) => Some(function),
            _ => None,
        };
        let monotonic = matches!(function, Some(ActivationFunction::Relu | ActivationFunction::Relu6));
        if monotonic && matches!(operations[at].operator(), Operator::MaxPooling(_)) {
            operations.swap(at - 1, at);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layer::{Build, Layer, Pass, Precision},
        model::through,
    };
    use tch::{Device, Kind, Tensor};

    /// Outputs, and gradients of the images and of the kernel, of a convolution with an activation before a pooling.
    fn computed(activation: &str, rewritten: bool) -> [Tensor; 3] {
        let layer = |text: &str| serde_json::from_str::<Layer>(text).expect("a layer");
        let arguments = r#""filters": 5, "kernel_size": 3, "padding": "same", "use_bias": false"#;
        let convolution = layer(&format!(r#"{{"conv2d": {{{arguments}, "activation": "{activation}"}}}}"#));
        let numbers = |count: i64| (Tensor::arange(count, tch::kind::FLOAT_CPU) * 0.7).sin() * 3.0;
        let kernel = numbers(5 * 3 * 9).view([5, 3, 3, 3]).set_requires_grad(true);
        let images = numbers(2 * 3 * 9 * 8).view([2, 3, 9, 8]).set_requires_grad(true);
        let parameters = vec![kernel.shallow_clone()];
        let precision = Precision::Float32;
        let mut built = convolution.build(Build { name: "conv2d", input: &[9, 8, 3], parameters, precision });
        let pooling = Build { name: "max_pooling2d", input: &[9, 8, 5], parameters: vec![], precision };
        built.extend(layer(r#"{"max_pooling2d": {}}"#).build(pooling));
        let mut operations: Vec<Operation> = built.into_iter().map(|forward| Operation::of("", forward)).collect();
        if rewritten {
            rewrite(&mut operations, &Device::Cpu.into()).expect("it rewrites");
            assert!(matches!(operations[1].operator(), Operator::MaxPooling(_)));
            assert!(matches!(operations[2].operator(), Operator::Activation(_)));
        }
        let pass = Pass::training(0, 0);
        let outputs = through(&operations, images.shallow_clone(), &pass, &mut |_, _| ()).expect("it computes");
        outputs.square().sum(Kind::Float).backward();
        [outputs, images.grad(), kernel.grad()]
    }

    #[test]
    fn outputs_and_gradients_are_the_same_bits() {
        for activation in ["relu", "relu6"] {
            assert_eq!(computed(activation, true), computed(activation, false), "{activation}");
        }
    }
}
