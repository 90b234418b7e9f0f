//! Every documented example of every layer on another device beside the same on a processor.
//!
//! `TRAINYARD_TEST_DEVICE=cuda` names the device; without it, these tests only say that they did nothing.

use super::{
    tests::{INPUT, documented, images, run},
    *,
};
use std::io::Write;

/// The device to test.
fn device() -> Option<Device> {
    let wanted = std::env::var("TRAINYARD_TEST_DEVICE").ok();
    if wanted.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: TRAINYARD_TEST_DEVICE names no device");
    }
    wanted.map(|wanted| device::open(&wanted).unwrap_or_else(|problem| panic!("{problem}")))
}

/// Networks of more parameters are made of the same layers, and drawing them takes long.
const LARGEST: u64 = 1_000_000;

fn means(device: Device, precision: Precision, deterministic: bool) -> Means {
    let means = Means { device, precision, optimize: false, deterministic };
    means.set_up().unwrap();
    means
}

fn pass(training: bool, step: u64) -> Pass<'static> {
    Pass { training, ..Pass::training(5, step) }
}

/// What leaves a model, and the gradients of a sum over it in which each number counts otherwise.
fn outputs_and_gradients(model: &Model, x: &Tensor, pass: &Pass) -> Vec<(String, Tensor)> {
    let x = x.to_device(model.device());
    model.trainable().for_each(|parameter| device::forget_gradient(&parameter.tensor).unwrap());
    let y = run(model, &x, pass);
    if model.trainable().next().is_some() {
        let counts = (Tensor::arange(y.numel() as i64, (Kind::Float, Device::Cpu)) * 0.3).sin();
        (&y * counts.view(&y.size()[..]).to_device(y.device())).sum(Kind::Float).backward();
    }
    let gradients = model.trainable().map(|it| (it.name.clone(), it.tensor.grad().to_device(Device::Cpu)));
    let gradients: Vec<(String, Tensor)> = gradients.collect();
    std::iter::once(("what leaves it".to_owned(), y.detach().to_device(Device::Cpu))).chain(gradients).collect()
}

/// How far two tensors are apart, as a share of their size.
fn distance(one: &Tensor, other: &Tensor) -> f64 {
    assert_eq!(one.size(), other.size());
    let size = one.norm().double_value(&[]).max(other.norm().double_value(&[]));
    // Gradients that are 0 but for roundings have no direction.
    (one - other).norm().double_value(&[]) / size.max(1e-3 * (one.numel() as f64).sqrt())
}

/// Compares all examples; gives those that are further apart than `near`, or for large networks `far`. With fewer bits the
/// gradients of some layers hardly say anything, and so only what leaves them is compared.
fn apart(device: Device, precision: Precision, near: f64, far: f64) -> Vec<String> {
    let mut found = Vec::new();
    for (text, mut layers, _) in documented() {
        layers.insert(0, serde_json::from_str(r#"{"rescaling": {"scale": 0.01, "offset": -1.27}}"#).unwrap());
        let plan = Plan::new(&layers, INPUT).unwrap_or_else(|error| panic!("{text}: {}", error.message));
        if plan.total(|row| row.parameters) > LARGEST {
            continue;
        }
        let _ = writeln!(std::io::stderr(), "{precision:?} {text}");
        let x = images(8, INPUT);
        // It has no other way back.
        let deterministic = !text.contains("bilinear");
        let host = Model::new(&layers, &plan, 1, means(Device::Cpu, Precision::Float32, true)).unwrap();
        let there = Model::new(&layers, &plan, 1, means(device, precision, deterministic)).unwrap();
        for training in [false, true] {
            let first = outputs_and_gradients(&there, &x, &pass(training, 3));
            // Moving statistics went on with it, which training doesn't look at.
            let again = outputs_and_gradients(&there, &x, &pass(training, 3));
            for ((name, one), (_, other)) in first.iter().zip(&again) {
                if one != other && deterministic {
                    found.push(format!("{text}: {name} isn't the same twice"));
                }
                if bool::try_from(one.isfinite().all()).unwrap() {
                    continue;
                }
                found.push(format!("{text}: {name} isn't finite"));
            }
            let other_step = run(&there, &x.to_device(device), &pass(training, 4)).to_device(Device::Cpu);
            if training && other_step != first[0].1 {
                // It draws, and otherwise than a processor.
                continue;
            }
            let wanted = outputs_and_gradients(&host, &x, &pass(training, 3));
            let large = plan.total(|row| row.parameters) > 100_000;
            let compared = if precision == Precision::Float32 { wanted.len() } else { 1 };
            for ((name, wanted), (_, got)) in wanted.iter().zip(&first).take(compared) {
                let distance = distance(wanted, got);
                if distance > if large { far } else { near } {
                    found.push(format!("{text}: {name} is {distance:.2e} off, training: {training}"));
                }
            }
        }
    }
    found
}

#[test]
fn a_device_computes_layers_as_a_processor_does() {
    let Some(device) = device() else { return };
    let found = apart(device, Precision::Float32, 2e-3, 5e-2);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn fewer_bits_come_near_on_a_device() {
    let Some(device) = device() else { return };
    let kinds = [(Precision::TensorFloat32, 0.02), (Precision::MixedBfloat16, 0.1), (Precision::MixedFloat16, 0.05)];
    let found: Vec<String> = kinds
        .iter()
        .flat_map(|&(precision, near)| {
            let found = apart(device, precision, near, 0.5);
            found.into_iter().map(move |line| format!("{precision:?} {line}")).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn numbers_go_there_and_come_back() {
    let Some(device) = device() else { return };
    let bytes: Vec<u8> = (0..=255).collect();
    let there = device::upload(&bytes, &[16, 16], device).unwrap();
    assert_eq!((there.device(), there.kind()), (device, Kind::Uint8));
    let doubled = there.to_kind(Kind::Float) * 2.0;
    let back = device::Download::begin(&[&doubled, &there]).unwrap().finish().unwrap();
    assert_eq!(back[1], Tensor::from_slice(&bytes).view([16, 16]));
    assert_eq!(back[0], Tensor::from_slice(&bytes).view([16, 16]).to_kind(Kind::Float) * 2.0);
    let all = device::Resident::new(there);
    let (some, _) = all.select(&[3, 0, 3], &[1, 2, 3]).unwrap();
    let some = some.to_device(Device::Cpu);
    assert_eq!(Vec::<u8>::try_from(some.select(0, 1)).unwrap(), bytes[..16]);
    assert_eq!(Vec::<u8>::try_from(some.select(0, 2)).unwrap(), bytes[48..64]);
    if let Some(memory) = device::device_memory(device) {
        assert!(
            memory.total > memory.free && memory.most_used > 0 && memory.most_reserved >= memory.most_used,
            "{memory:?}"
        );
    }
}
