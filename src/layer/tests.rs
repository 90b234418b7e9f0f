//! One harness puts every documented example of every layer through the same trials.

use super::*;
use crate::family::examples;
use tch::{Device, Kind, Tensor};

/// Images for layers that take them, vectors for those that don't.
fn fitting_input(layer: &Layer) -> Vec<usize> {
    let image = vec![9, 8, 3];
    if layer.output_shape(&image).is_ok() { image } else { vec![12] }
}

/// Every example with its layer, the shape that reaches it and the one that leaves it.
fn each(mut trial: impl FnMut(&str, &Layer, &[usize], &[usize])) {
    let mut named = std::collections::HashSet::new();
    for (name, item) in examples::<Layer>() {
        let layer: Layer = serde_json::from_value(item.clone()).unwrap_or_else(|error| panic!("{item}: {error}"));
        assert_eq!(serde_json::from_value::<Layer>(serde_json::to_value(&layer).unwrap()).unwrap(), layer);
        let input = fitting_input(&layer);
        let output = layer.output_shape(&input).unwrap_or_else(|error| panic!("{item}: {}", error.message));
        trial(&item.to_string(), &layer, &input, &output);
        named.insert(name);
    }
    assert_eq!(named.len(), Layer::NAMES.len(), "every layer documents an example");
}

/// A tensor of that shape with a batch before it, as it flows between layers.
fn batch(of: i64, shape: &[usize]) -> Tensor {
    let size: Vec<i64> = std::iter::once(of).chain(shape.iter().map(|&n| n as i64)).collect();
    let x = (Tensor::arange(size.iter().product::<i64>(), (Kind::Float, Device::Cpu)) * 0.7).sin().view(&size[..]);
    if size.len() == 4 { x.permute([0, 3, 1, 2]) } else { x }
}

fn built(layer: &Layer, input: &[usize]) -> (Vec<Tensor>, Vec<Box<dyn Forward>>) {
    let draw = |declared: Parameter| {
        let values = declared.initializer.draw(&declared.shape, 1, declared.name);
        Tensor::from_slice(&values).view(&declared.shape[..]).set_requires_grad(true)
    };
    let parameters: Vec<Tensor> = layer.parameters(input).into_iter().map(draw).collect();
    let own = parameters.iter().map(Tensor::shallow_clone).collect();
    (parameters, layer.build(Build { name: "it", input, parameters: own }))
}

fn run(operations: &[Box<dyn Forward>], x: &Tensor, pass: &Pass) -> Tensor {
    operations.iter().fold(x.shallow_clone(), |x, operation| operation.forward(&x, pass).unwrap())
}

const TRAINING: Pass = Pass { training: true, seed: 5, step: 3 };

#[test]
fn the_shape_rule_is_what_libtorch_does() {
    each(|what, layer, input, output| {
        let (_, operations) = built(layer, input);
        for examples in [2, 0] {
            let y = run(&operations, &batch(examples, input), &TRAINING);
            let y = if y.dim() == 4 { y.permute([0, 2, 3, 1]) } else { y };
            let expected: Vec<i64> = std::iter::once(examples).chain(output.iter().map(|&n| n as i64)).collect();
            assert_eq!(y.size(), expected, "{what}");
        }
    });
}

#[test]
fn gradients_are_finite_and_two_passes_agree() {
    each(|what, layer, input, _| {
        let (parameters, operations) = built(layer, input);
        let x = batch(2, input).set_requires_grad(true);
        let y = run(&operations, &x, &TRAINING);
        assert_eq!(y, run(&operations, &x, &TRAINING), "{what}");
        y.square().sum(Kind::Float).backward();
        for tensor in parameters.iter().chain([&x]) {
            assert!(bool::try_from(tensor.grad().isfinite().all()).unwrap(), "{what}");
        }
    });
}

#[test]
fn a_larger_kernel_than_the_image_is_refused_with_both_shapes() {
    let conv: Layer = serde_json::from_str(r#"{"conv2d": {"filters": 1, "kernel_size": 5}}"#).unwrap();
    let error = conv.output_shape(&[4, 4, 3]).unwrap_err();
    assert_eq!(error.message, "a window of 5x5 doesn't fit into [4, 4, 3]");
    assert_eq!(conv.output_shape(&[5, 6, 3]).unwrap(), [1, 2, 1]);
}

#[test]
fn dropout_keeps_the_share_and_the_mean() {
    let layer: Layer = serde_json::from_str(r#"{"dropout": {"rate": 0.2}}"#).unwrap();
    let (_, operations) = built(&layer, &[10_000]);
    let ones = Tensor::ones([10, 10_000], (Kind::Float, Device::Cpu));
    let y = run(&operations, &ones, &TRAINING);
    let dropped = y.eq(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
    assert!((dropped - 0.2).abs() < 0.006, "{dropped}");
    assert!((y.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.01);
    let other = run(&operations, &ones, &Pass { step: 4, ..TRAINING });
    assert_ne!(y, other, "each step has a mask of its own");
    // The mask of an example hangs on its place in the batch, not on the size of the batch.
    assert_eq!(y.narrow(0, 0, 3), run(&operations, &ones.narrow(0, 0, 3), &TRAINING));
}
