//! One harness puts every documented example of every layer through the same trials, as a model of its own.

use super::*;
use crate::family::examples;

/// Images of that many bytes, all different.
pub(super) fn images(examples: i64, [height, width, channels]: [usize; 3]) -> Tensor {
    let size = [examples, height as i64, width as i64, channels as i64];
    let values = (Tensor::arange(size.iter().product::<i64>(), (Kind::Float, Device::Cpu)) * 0.7).sin();
    ((values + 1.0) * 127.0).to_kind(Kind::Uint8).view(size)
}

pub(super) const INPUT: [usize; 3] = [9, 8, 3];

fn layer(text: &str) -> Layer {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Every example, with layers before it that make what it takes, and their plan.
pub(super) fn documented() -> Vec<(String, Vec<Layer>, Plan)> {
    let mut named = std::collections::HashSet::new();
    let mut all = Vec::new();
    for (name, item) in examples::<Layer>() {
        let text = item.to_string();
        let example = layer(&text);
        assert_eq!(serde_json::from_value::<Layer>(serde_json::to_value(&example).unwrap()).unwrap(), example);
        // Layers that take vectors get flattened images, those that take tokens patches; large networks get large images.
        let before = [
            "",
            r#"{"flatten": {}}"#,
            r#"{"patch_embedding": {"patch_size": [3, 4], "embed_dim": 16}}"#,
            r#"{"up_sampling2d": {"size": 4}}"#,
        ];
        let rows = before.map(|text| match text {
            "" => vec![example.clone()],
            before => vec![layer(before), example.clone()],
        });
        let fitting = rows.into_iter().find(|row| Plan::new(row, INPUT).is_ok());
        let layers = fitting.unwrap_or_else(|| panic!("{text}: takes nothing"));
        let plan = Plan::new(&layers, INPUT).unwrap_or_else(|error| panic!("{text}: {}", error.message));
        let from = layers[..layers.len() - 1].iter().fold(INPUT.to_vec(), |s, layer| layer.output_shape(&s).unwrap());
        assert_eq!(layers.last().unwrap().output_shape(&from).unwrap(), plan.output(), "{text}");
        all.push((text, layers, plan));
        named.insert(name);
    }
    assert_eq!(named.len(), Layer::NAMES.len(), "every layer documents an example");
    all
}

/// Every example as a model, with the shape that leaves it.
fn each(mut trial: impl FnMut(&str, &Model, &[usize])) {
    for (text, layers, plan) in documented() {
        let model = Model::new(&layers, &plan, 1, Device::Cpu).unwrap();
        let count: u64 = model.parameters().iter().map(|parameter| parameter.tensor.numel() as u64).sum();
        assert_eq!(count, plan.total(|row| row.parameters), "{text}");
        trial(&text, &model, plan.output());
    }
}

const TRAINING: Pass<'static> = Pass::training(5, 3);

pub(super) fn run(model: &Model, images: &Tensor, pass: &Pass) -> Tensor {
    model.forward(images, pass).unwrap_or_else(|error| panic!("{error:?}"))
}

#[test]
fn the_shape_rule_is_what_libtorch_does() {
    each(|what, model, output| {
        for examples in [2, 0] {
            let y = run(model, &images(examples, INPUT), &TRAINING);
            let y = if y.dim() == 4 { y.permute([0, 2, 3, 1]) } else { y };
            let expected: Vec<i64> = std::iter::once(examples).chain(output.iter().map(|&n| n as i64)).collect();
            assert_eq!(y.size(), expected, "{what}");
        }
    });
}

#[test]
fn gradients_are_finite_and_two_passes_agree() {
    each(|what, model, _| {
        let x = images(2, INPUT);
        let y = run(model, &x, &TRAINING);
        assert_eq!(y, run(model, &x, &TRAINING), "{what}");
        if model.trainable().next().is_some() {
            y.square().sum(Kind::Float).backward();
        }
        for parameter in model.trainable() {
            assert!(bool::try_from(parameter.tensor.grad().isfinite().all()).unwrap(), "{what}");
        }
    });
}

/// A process may have no example of a small batch.
#[test]
fn an_empty_batch_has_a_way_back() {
    each(|what, model, _| {
        if model.trainable().next().is_none() {
            return;
        }
        let y = run(model, &images(0, INPUT), &TRAINING);
        if y.requires_grad() {
            y.sum(Kind::Float).backward();
        }
        for parameter in model.trainable().filter(|parameter| parameter.tensor.grad().defined()) {
            assert_eq!(parameter.tensor.grad().abs().max().double_value(&[]), 0.0, "{what}: {}", parameter.name);
        }
    });
}

/// Images of numbers from -1 to 1, none close to another one.
fn numbers(examples: i64, [height, width, channels]: [usize; 3]) -> Tensor {
    let size = [examples, height as i64, width as i64, channels as i64];
    // The golden ratio spreads them evenly.
    let turns = Tensor::arange(size.iter().product::<i64>(), (Kind::Double, Device::Cpu)) * 0.618_033_988_749_895;
    (turns.frac() * 2.0 - 1.0).to_kind(Kind::Float).view(size)
}

#[test]
fn gradients_are_what_differences_say() {
    each(|what, model, _| {
        // Of many layers one or the other always bends; those of presets are looked at each by itself.
        if layer(what).stands_for().is_some() {
            return;
        }
        let images = numbers(3, INPUT).set_requires_grad(true);
        let value = || {
            let y = run(model, &images, &TRAINING);
            let weights = (Tensor::arange(y.numel() as i64, (Kind::Float, Device::Cpu)) * 1.3).cos().view_as(&y);
            (y * weights).sum(Kind::Double)
        };
        value().backward();
        let named = model.trainable().map(|parameter| (parameter.name.as_str(), &parameter.tensor));
        for (name, tensor) in named.chain([("the input", &images)]) {
            // Along the gradient itself the difference is the largest, and the gradient's norm.
            let gradient = tensor.grad().copy();
            let norm = gradient.norm().double_value(&[]);
            if norm < 1e-4 {
                continue;
            }
            let start = tensor.detach().copy();
            // So little that no number moves by more than a third of a thousandth: hardly any crosses a bend of a function.
            let reach = 3e-4 * norm / gradient.abs().max().double_value(&[]);
            let at = |along: f64| {
                tch::no_grad(|| {
                    tensor.shallow_clone().copy_(&(&start + &gradient * (along / norm)));
                    value().double_value(&[])
                })
            };
            let difference = (at(reach) - at(-reach)) / (2.0 * reach);
            at(0.0);
            // What is small against the sum is lost in its rounding.
            assert!((difference - norm).abs() < 0.05 * norm + 2e-3, "{what}: {name}: {difference}, not {norm}");
        }
    });
}

#[test]
fn weights_are_saved_and_loaded() {
    each(|what, model, _| {
        let saved = weights_bytes(model).unwrap();
        let other = Model::new(&model.design.layers, &model.design.plan, 2, Device::Cpu).unwrap();
        let named = other.parameters().iter().map(|parameter| (parameter.name.clone(), &parameter.tensor));
        fill_tensors(&saved, named).unwrap();
        assert_eq!(weights_bytes(&other).unwrap(), saved, "{what}");
        let x = images(2, INPUT);
        assert_eq!(run(&other, &x, &TRAINING), run(model, &x, &TRAINING), "{what}");
    });
}

#[test]
fn images_stay_channels_last_in_memory() {
    each(|what, model, _| {
        let y = run(model, &images(2, INPUT), &TRAINING);
        if y.dim() == 4 {
            assert!(y.permute([0, 2, 3, 1]).is_contiguous(), "{what}: {:?} {:?}", y.size(), y.stride());
        }
        for parameter in model.parameters().iter().filter(|parameter| parameter.tensor.dim() == 4) {
            let kernel = &parameter.tensor;
            assert!(kernel.permute([0, 2, 3, 1]).is_contiguous(), "{what}: {}", parameter.name);
        }
    });
}

#[test]
fn a_larger_kernel_than_the_image_is_refused_with_both_shapes() {
    let conv = layer(r#"{"conv2d": {"filters": 1, "kernel_size": 5}}"#);
    let error = conv.output_shape(&[4, 4, 3]).unwrap_err();
    assert_eq!(error.message, "a window of 5x5 doesn't fit into [4, 4, 3]");
    assert_eq!(conv.output_shape(&[5, 6, 3]).unwrap(), [1, 2, 1]);
}

fn model(layers: &str, input: [usize; 3]) -> Model {
    let layers: Vec<Layer> = serde_json::from_str(layers).unwrap();
    let plan = Plan::new(&layers, input).unwrap_or_else(|error| panic!("{}", error.message));
    Model::new(&layers, &plan, 1, Device::Cpu).unwrap()
}

#[test]
fn dropout_keeps_the_share_and_the_mean() {
    let model = model(r#"[{"flatten": {}}, {"dropout": {"rate": 0.2}}]"#, [100, 100, 1]);
    let ones = Tensor::ones([10, 100, 100, 1], (Kind::Uint8, Device::Cpu));
    let y = run(&model, &ones, &TRAINING);
    let dropped = y.eq(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
    assert!((dropped - 0.2).abs() < 0.006, "{dropped}");
    assert!((y.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.01);
    let other = run(&model, &ones, &Pass { step: 4, ..TRAINING });
    assert_ne!(y, other, "each step has a mask of its own");
    // The mask of an example hangs on its place in the batch, not on the size of the batch.
    assert_eq!(y.narrow(0, 0, 3), run(&model, &ones.narrow(0, 0, 3), &TRAINING));
}

#[test]
fn channels_and_examples_are_dropped_as_a_whole() {
    let ones = Tensor::ones([40, 6, 5, 50], (Kind::Uint8, Device::Cpu));
    for (name, axes, kept) in
        [("spatial_dropout2d", [2i64, 3].as_slice(), 40 * 50), ("stochastic_depth", &[1, 2, 3], 40)]
    {
        let model = model(&format!(r#"[{{"{name}": {{"rate": 0.3}}}}]"#), [6, 5, 50]);
        let y = run(&model, &ones, &TRAINING);
        assert_eq!(y.amax(axes, false), y.amin(axes, false), "{name}: all or nothing");
        let share = y.amax(axes, false).gt(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        let deviation = (0.3 * 0.7 / f64::from(kept)).sqrt();
        assert!((share - 0.7).abs() < 4.0 * deviation, "{name}: {share}");
        assert!((y.max().double_value(&[]) - 1.0 / 0.7).abs() < 1e-6, "{name}");
        assert_ne!(y, run(&model, &ones, &Pass { step: 4, ..TRAINING }), "{name}: each step has a mask of its own");
        assert_eq!(y.narrow(0, 0, 3), run(&model, &ones.narrow(0, 0, 3), &TRAINING), "{name}");
        assert_eq!(
            run(&model, &ones, &Pass { training: false, ..TRAINING }),
            ones.permute([0, 3, 1, 2]).to_kind(Kind::Float)
        );
    }
}

#[test]
fn noise_has_its_deviation_and_hangs_on_its_place() {
    let model = model(r#"[{"gaussian_noise": {"stddev": 0.5}}]"#, [30, 20, 4]);
    let zeros = Tensor::zeros([20, 30, 20, 4], (Kind::Uint8, Device::Cpu));
    let y = run(&model, &zeros, &TRAINING);
    assert!((y.std(true).double_value(&[]) - 0.5).abs() < 0.01 && y.mean(Kind::Float).double_value(&[]).abs() < 0.01);
    assert_eq!(y.narrow(0, 0, 3), run(&model, &zeros.narrow(0, 0, 3), &TRAINING));
    assert_ne!(y, run(&model, &zeros, &Pass { step: 4, ..TRAINING }));
}

#[test]
fn trained_weights_cost_and_are_held() {
    let model = model(
        r#"[{"flatten": {}}, {"dense": {"units": 4, "kernel_regularizer": {"l2": 0.5}, "kernel_constraint": {"max_norm": {"max_value": 0.1}}}},
            {"dense": {"units": 3, "kernel_regularizer": {"l1": 0.25}}},
            {"dense": {"units": 3, "trainable": false, "kernel_regularizer": {"l2": 1}, "kernel_constraint": {"non_neg": {}}}}]"#,
        [2, 2, 1],
    );
    let [first, second, frozen] = [0, 2, 4].map(|at| &model.parameters()[at].tensor);
    let expected = first.square().sum(Kind::Float) * 0.5 + second.abs().sum(Kind::Float) * 0.25;
    let cost = model.cost().unwrap().unwrap();
    assert!((&cost - expected).abs().double_value(&[]) < 1e-6);
    cost.backward();
    assert_eq!(first.grad(), first.detach());
    let before = frozen.copy();
    model.constrain().unwrap();
    // Those of each unit: a row, as it is stored.
    let norms = first.detach().square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float).sqrt();
    assert!((norms - 0.1).abs().max().double_value(&[]) < 1e-5);
    assert_eq!(*frozen, before);
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (text, part) in [
        (r#"{"conv2d": {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2}}"#, "are both above 1"),
        (r#"{"conv2d": {"filters": 4, "kernel_size": 3, "groups": 2}}"#, "3 channels that reach the layer"),
        (r#"{"conv2d": {"filters": 4, "kernel_size": 3, "groups": 3}}"#, "4 `filters` can't be divided"),
        (r#"{"conv2d": {"filters": 4, "kernel_size": 3, "dilation_rate": 4}}"#, "spread by `dilation_rate`"),
        (r#"{"conv2d_transpose": {"filters": 4, "kernel_size": 3, "output_padding": 1}}"#, "isn't below `strides`"),
        (r#"{"group_normalization": {}}"#, "into 32 groups"),
        (r#"{"group_normalization": {"groups": 0}}"#, "into 0 groups"),
        (r#"{"reshape": {"target_shape": [-1, -1]}}"#, "can't become [-1, -1]"),
        (r#"{"reshape": {"target_shape": [5, 5]}}"#, "the 216 values"),
        (r#"{"reshape": {"target_shape": [0, -1]}}"#, "can't become [0, -1]"),
        (r#"{"permute": {"dims": [1, 1, 2]}}"#, "isn't an order of the axes"),
        (r#"{"cropping2d": {"cropping": 4}}"#, "nothing is left"),
        (r#"{"activation": {"function": "relu", "negative_slope": 0.1}}"#, "has no `negative_slope`"),
        (
            r#"{"conv2d": {"filters": 4, "kernel_size": 3, "kernel_constraint": {"unit_norm": {"axis": [0, 0]}}}}"#,
            "twice",
        ),
        (r#"{"batch_normalization": {"beta_initializer": {"orthogonal": {}}}}"#, "`beta` is a vector"),
    ] {
        let error = Plan::new(&[layer(text)], INPUT).expect_err(text);
        assert!(error.message.contains(part), "{text}: {}", error.message);
    }
    let dense = layer(r#"{"dense": {"units": 4, "kernel_constraint": {"max_norm": {"axis": 2}}}}"#);
    assert!(Plan::new(&[layer(r#"{"flatten": {}}"#), dense], INPUT).expect_err("axis 2").message.contains("no axis 2"));
}

#[test]
fn depthwise_kernels_start_as_kerass() {
    // Of a kernel [3, 3, 200, 2] Keras has fans of 1800 and 18: it doesn't count that each filter sees one channel.
    let model = model(r#"[{"depthwise_conv2d": {"kernel_size": 3, "depth_multiplier": 2}}]"#, [5, 5, 200]);
    let kernel = &model.parameters()[0].tensor;
    assert_eq!(kernel.size(), [400, 1, 3, 3]);
    let (variance, theirs) = (kernel.square().mean(Kind::Float).double_value(&[]), 2.0 / 1818.0);
    assert!((variance / theirs - 1.0).abs() < 0.06, "{variance}, not {theirs}");
}

#[test]
fn rows_side_by_side_are_merged_value_by_value() {
    let x = images(2, INPUT);
    let numbers = x.permute([0, 3, 1, 2]).to_kind(Kind::Float);
    let doubled = r#"[{"rescaling": {"scale": 2}}]"#;
    for (merge, expected) in [
        ("add", &numbers * 3.0),
        ("multiply", &numbers * &numbers * 2.0),
        ("average", &numbers * 1.5),
        ("maximum", &numbers * 2.0),
        ("concatenate", Tensor::cat(&[numbers.shallow_clone(), &numbers * 2.0], 1)),
    ] {
        let layers = format!(r#"[{{"branches": {{"merge": "{merge}", "branches": [[], {doubled}]}}}}]"#);
        assert_eq!(run(&model(&layers, INPUT), &x, &TRAINING), expected, "{merge}");
    }
    let residual = format!(r#"[{{"residual": {{"layers": {doubled}}}}}]"#);
    assert_eq!(run(&model(&residual, INPUT), &x, &TRAINING), &numbers * 3.0);
    let repeated = format!(r#"[{{"repeat": {{"times": 3, "layers": {doubled}}}}}]"#);
    assert_eq!(run(&model(&repeated, INPUT), &x, &TRAINING), &numbers * 8.0);
}

#[test]
fn every_repetition_has_weights_of_its_own() {
    let model = model(
        r#"[{"flatten": {}}, {"repeat": {"times": 2, "layers": [{"residual": {"layers": [{"dense": {"units": 216}}]}}]}}]"#,
        INPUT,
    );
    let names: Vec<&str> = model.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"]);
    assert_ne!(model.parameters()[0].tensor, model.parameters()[2].tensor);
}

mod random_networks {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    /// Layers with arguments that often fit and sometimes don't.
    fn leaf() -> impl Strategy<Value = Json> {
        let padding = prop_oneof![Just("same"), Just("valid")];
        prop_oneof![
            (1..5usize, 1..4usize, 1..3usize, padding.clone(), any::<bool>()).prop_map(
                |(filters, size, strides, padding, use_bias)| {
                    json!({"conv2d": {
                        "filters": filters, "kernel_size": [size, 1 + size % 3], "strides": strides, "padding": padding,
                        "use_bias": use_bias, "activation": "relu",
                    }})
                }
            ),
            (1..4usize, proptest::option::of(1..4usize), padding).prop_map(|(size, strides, padding)| {
                let mut arguments = json!({"pool_size": [1 + size % 2, size], "padding": padding});
                if let Some(strides) = strides {
                    arguments["strides"] = json!(strides);
                }
                json!({ "max_pooling2d": arguments })
            }),
            (1..6usize).prop_map(|units| json!({"dense": {"units": units}})),
            Just(json!({"flatten": {}})),
            Just(json!({"batch_normalization": {}})),
            Just(json!({"layer_normalization": {}})),
            Just(json!({"squeeze_excite": {}})),
            Just(json!({"stochastic_depth": {"rate": 0.2}})),
            (1..3usize, 1..3usize, any::<bool>()).prop_map(|(size, multiplier, same)| {
                let padding = if same { "same" } else { "valid" };
                json!({"depthwise_conv2d": {
                    "kernel_size": [size, 2], "depth_multiplier": multiplier, "padding": padding, "dilation_rate": size,
                }})
            }),
            (1..4usize, 1..4usize, 1..3usize, any::<bool>()).prop_map(|(filters, size, strides, same)| {
                let padding = if same { "same" } else { "valid" };
                json!({"conv2d_transpose": {
                    "filters": filters, "kernel_size": size, "strides": [strides, 1], "padding": padding,
                }})
            }),
            (1..4usize, any::<bool>()).prop_map(|(size, same)| {
                json!({"average_pooling2d": {"pool_size": size, "padding": if same { "same" } else { "valid" }}})
            }),
            (1..3usize, 1..4i64).prop_map(|(axes, n)| {
                let shape = [vec![n; axes], vec![-1]].concat();
                json!({"reshape": {"target_shape": shape}})
            }),
            Just(json!({"permute": {"dims": [2, 1]}})),
            Just(json!({"zero_padding2d": {"padding": [[0, 1], [2, 0]]}})),
            Just(json!({"global_average_pooling2d": {"keepdims": true}})),
            Just(json!({"dropout": {"rate": 0.5}})),
            Just(json!({"rescaling": {"scale": 0.01}})),
            Just(json!({"activation": {"function": "softmax"}})),
        ]
    }

    fn any_layer() -> impl Strategy<Value = Json> {
        leaf().prop_recursive(3, 24, 4, |inner| {
            let row = proptest::collection::vec(inner.clone(), 1..4);
            let merge =
                prop_oneof![Just("add"), Just("concatenate"), Just("average"), Just("maximum"), Just("multiply")];
            prop_oneof![
                (1..4usize, row.clone())
                    .prop_map(|(times, layers)| json!({"repeat": {"times": times, "layers": layers}})),
                (row.clone(), proptest::collection::vec(inner, 0..2))
                    .prop_map(|(layers, shortcut)| json!({"residual": {"layers": layers, "shortcut": shortcut}})),
                (merge, proptest::collection::vec(row, 2..4))
                    .prop_map(|(merge, branches)| json!({"branches": {"merge": merge, "branches": branches}})),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Whatever the check accepts computes, and has the shape and the parameters that the check says.
        #[test]
        fn are_planned_as_libtorch_computes_them(layers in proptest::collection::vec(any_layer(), 1..5)) {
            let layers: Vec<Layer> = serde_json::from_value(Json::Array(layers)).unwrap();
            let Ok(plan) = Plan::new(&layers, INPUT) else { return Ok(()) };
            let model = Model::new(&layers, &plan, 1, Device::Cpu).unwrap();
            let y = run(&model, &images(2, INPUT), &TRAINING);
            let y = if y.dim() == 4 { y.permute([0, 2, 3, 1]) } else { y };
            let expected: Vec<i64> = std::iter::once(2).chain(plan.output().iter().map(|&n| n as i64)).collect();
            prop_assert_eq!(y.size(), expected);
            let count: u64 = model.parameters().iter().map(|parameter| parameter.tensor.numel() as u64).sum();
            prop_assert_eq!(count, plan.total(|row| row.parameters));
        }
    }
}

/// Outputs and all gradients of a model, trained on so many images of `input`.
fn outputs_and_gradients(model: &Model, images: &Tensor) -> Vec<Tensor> {
    let y = run(model, images, &TRAINING);
    model.trainable().for_each(|parameter| crate::device::forget_gradient(&parameter.tensor).unwrap());
    (&y * (&y * 3.0).sin()).sum(Kind::Float).backward();
    std::iter::once(y.detach()).chain(model.trainable().map(|parameter| parameter.tensor.grad().copy())).collect()
}

fn assert_close(what: &str, one: &[Tensor], other: &[Tensor]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        let scale = other.abs().max().double_value(&[]).max(1e-3);
        let difference = (one - other).abs().max().double_value(&[]);
        // Against 64 bits, libtorch's own gradients of the third of BLOCKS are off by 3.7e-5, and the kernels' as much.
        assert!(difference < 5e-5 * scale, "{what}: {difference} of {scale}");
    }
}

/// Networks that passes have something to say about.
const BLOCKS: [&str; 15] = [
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        {"residual": {"layers": [{"conv2d": {"filters": 32, "kernel_size": 3, "padding": "same", "use_bias": false}},
            {"batch_normalization": {}}, {"activation": {"function": "relu"}},
            {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same"}}]}}, {"flatten": {}}, {"dense": {"units": 5}}]"#,
    r#"[{"rescaling": {"scale": 0.0039, "offset": -0.2}}, {"normalization": {"mean": [0.1, 0.2, 0.3], "variance": [0.1, 0.2, 0.3]}},
        {"conv2d": {"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}}, {"max_pooling2d": {}},
        {"conv2d": {"filters": 48, "kernel_size": 3, "padding": "same", "activation": "relu"}}, {"max_pooling2d": {}},
        {"dropout": {"rate": 0.3}}, {"flatten": {}}, {"dense": {"units": 5}}]"#,
    r#"[{"conv2d": {"filters": 16, "kernel_size": 3, "use_bias": false}}, {"max_pooling2d": {}}, {"batch_normalization": {}},
        {"activation": {"function": "relu"}}, {"flatten": {}}]"#,
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same"}},
        {"max_pooling2d": {}}, {"activation": {"function": "tanh"}}, {"flatten": {}}]"#,
    r#"[{"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        {"residual": {"layers": [{"rescaling": {"scale": 0.01}}, {"conv2d": {"filters": 32, "kernel_size": 3, "padding": "same"}}, {"max_pooling2d": {}}],
                      "shortcut": [{"conv2d": {"filters": 32, "kernel_size": 1, "strides": 2}}]}}, {"flatten": {}}]"#,
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5}}, {"activation": {"function": "relu"}}, {"flatten": {}}, {"dense": {"units": 7, "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5}}]"#,
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}}, {"max_pooling2d": {}},
        {"batch_normalization": {"momentum": 0.5, "scale": false}}, {"activation": {"function": "relu"}}, {"flatten": {}}]"#,
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5}}, {"activation": {"function": "relu"}},
        {"residual": {"layers": [{"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}}, {"batch_normalization": {"center": false}}]}},
        {"activation": {"function": "relu"}},
        {"residual": {"layers": [{"conv2d": {"filters": 24, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": false}}, {"batch_normalization": {}}],
                      "shortcut": [{"conv2d": {"filters": 24, "kernel_size": 1, "strides": 2, "use_bias": false}}, {"batch_normalization": {}}]}},
        {"residual": {"layers": [{"conv2d": {"filters": 24, "kernel_size": 1}}, {"activation": {"function": "tanh"}}],
                      "shortcut": [{"batch_normalization": {}}]}},
        {"activation": {"function": "relu6"}}, {"flatten": {}}, {"dense": {"units": 5}}]"#,
    r#"[{"batch_normalization": {"center": false}}, {"conv2d": {"filters": 5, "kernel_size": 3, "use_bias": false}}, {"batch_normalization": {}},
        {"activation": {"function": "relu"}}, {"batch_normalization": {"trainable": false}}, {"activation": {"function": "relu"}},
        {"residual": {"layers": [{"batch_normalization": {"trainable": false}}]}}, {"flatten": {}}]"#,
    // What kernels must leave alone: filters that are spread or see a part of the channels.
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        {"conv2d": {"filters": 32, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}}, {"max_pooling2d": {}}, {"activation": {"function": "relu"}},
        {"conv2d": {"filters": 32, "kernel_size": 3, "groups": 2, "padding": "same", "activation": "relu6"}}, {"max_pooling2d": {}}, {"flatten": {}}]"#,
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5}}, {"activation": {"function": "hard_silu"}},
        {"residual": {"layers": [{"depthwise_conv2d": {"kernel_size": 3, "padding": "same", "use_bias": false}}, {"batch_normalization": {"momentum": 0.5}},
            {"activation": {"function": "relu6"}}, {"squeeze_excite": {}},
            {"separable_conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}}, {"batch_normalization": {"momentum": 0.5}},
            {"spatial_dropout2d": {"rate": 0.3}}, {"stochastic_depth": {"rate": 0.3}}]}}, {"global_average_pooling2d": {}}]"#,
    r#"[{"rescaling": {"scale": 0.0039}}, {"gaussian_noise": {"stddev": 0.1}}, {"reshape": {"target_shape": [-1, 12]}}, {"dense": {"units": 8, "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5}}, {"activation": {"function": "gelu"}}, {"layer_normalization": {}}, {"dropout": {"rate": 0.2}},
        {"dense": {"units": 4}}, {"flatten": {}}]"#,
    // Convolutions of 1x1, and more channels than a block of the normalization has numbers in a row.
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"conv2d": {"filters": 48, "kernel_size": 1, "use_bias": false}}, {"batch_normalization": {"momentum": 0.5}},
        {"activation": {"function": "relu6"}}, {"conv2d": {"filters": 16, "kernel_size": 1, "activation": "tanh"}},
        {"residual": {"layers": [{"conv2d": {"filters": 16, "kernel_size": 1, "use_bias": false}}, {"batch_normalization": {"momentum": 0.5}}]}},
        {"activation": {"function": "tanh"}}, {"max_pooling2d": {"pool_size": 4}}, {"conv2d": {"filters": 528, "kernel_size": 1, "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5}}, {"activation": {"function": "relu"}}, {"global_average_pooling2d": {}}]"#,
    // Normalization behind convolutions: one that nobody trains, and one that leaves its kernel's gradient to libtorch.
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        {"conv2d": {"filters": 144, "kernel_size": 3, "padding": "same", "use_bias": false, "trainable": false}},
        {"batch_normalization": {"momentum": 0.5}}, {"activation": {"function": "relu6"}},
        {"conv2d": {"filters": 64, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5, "scale": false}}, {"activation": {"function": "relu"}},
        {"conv2d": {"filters": 48, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"batch_normalization": {"momentum": 0.5, "center": false}}, {"global_average_pooling2d": {}}]"#,
    // Behind what nobody trains: no gradient of any image is wanted, none of anything, or nothing is of the batch.
    r#"[{"rescaling": {"scale": 0.0039}}, {"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "activation": "relu", "trainable": false}},
        {"residual": {"layers": [{"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false, "trainable": false}},
            {"batch_normalization": {"momentum": 0.5}}],
                      "shortcut": [{"conv2d": {"filters": 16, "kernel_size": 3, "padding": "same", "use_bias": false}}, {"batch_normalization": {}}]}},
        {"activation": {"function": "relu"}}, {"conv2d": {"filters": 32, "kernel_size": 3, "padding": "same", "use_bias": false}},
        {"batch_normalization": {"trainable": false}}, {"activation": {"function": "relu"}}, {"global_average_pooling2d": {}}]"#,
];

/// The network on images that kernels take, once with passes and once without, with the same weights.
fn with_and_without_passes(layers: &str) -> (Model, Model) {
    let layers: Vec<Layer> = serde_json::from_str(layers).unwrap();
    let plan = Plan::new(&layers, [12, 8, 3]).unwrap_or_else(|error| panic!("{}", error.message));
    let model = |optimize| {
        let means = Means { optimize, ..Means::from(Device::Cpu) };
        Model::new(&layers, &plan, 1, means).unwrap()
    };
    (model(true), model(false))
}

#[test]
fn passes_keep_outputs_and_gradients() {
    for layers in BLOCKS {
        let (fast, plain) = with_and_without_passes(layers);
        let x = images(5, [12, 8, 3]);
        assert_close(layers, &outputs_and_gradients(&fast, &x), &outputs_and_gradients(&plain, &x));
        // Without a batch there is nothing to be done, and nothing fails.
        assert_eq!(run(&fast, &images(0, [12, 8, 3]), &TRAINING).size()[0], 0);
    }
}

#[test]
fn a_frozen_model_infers_the_same() {
    for layers in BLOCKS {
        let (fast, plain) = with_and_without_passes(layers);
        let x = images(5, [12, 8, 3]);
        // Statistics and weights that aren't those that a model begins with.
        for model in [&fast, &plain] {
            outputs_and_gradients(model, &x);
            tch::no_grad(|| {
                for (at, parameter) in model.parameters().iter().enumerate() {
                    // Those of `normalization` are given by the pipeline.
                    if parameter.tensor.dim() != 1 || parameter.name.starts_with("normalization") {
                        continue;
                    }
                    let _ = parameter.tensor.shallow_clone().g_add_(
                        &((Tensor::arange(parameter.tensor.numel() as i64, tch::kind::FLOAT_CPU) + at as f64).sin()
                            * 0.1),
                    );
                }
            });
        }
        let inference = Pass { training: false, ..TRAINING };
        let infer = |model: &Model| tch::no_grad(|| run(model, &x, &inference));
        let frozen = fast.frozen().unwrap();
        assert_close(layers, &[infer(&frozen)], &[infer(&plain)]);
        let shown = frozen.operations();
        assert!(shown.iter().all(|row| row.operation != "mask"), "{shown:?}");
    }
}

#[test]
fn passes_do_what_they_are_for() {
    let shown = |layers: &str| -> Vec<String> {
        let (fast, _) = with_and_without_passes(layers);
        fast.operations().into_iter().map(|row| format!("{}: {}", row.layers.join(" + "), row.operation)).collect()
    };
    if let Some(instructions) = crate::kernel::Instructions::chosen() {
        let name = instructions.name();
        let first = "rescaling + normalization + conv2d + max_pooling2d";
        assert_eq!(
            shown(BLOCKS[1])[..2],
            [
                format!("{first}: kernel: scale, convolution, max-pooling, relu ({name})"),
                format!("conv2d_1 + max_pooling2d_1: kernel: convolution, max-pooling, relu ({name})"),
            ]
        );
        assert_eq!(
            shown(BLOCKS[12])[2..5],
            [
                format!("conv2d_1: convolution, kernel: its gradient ({name})"),
                format!("batch_normalization + activation: kernel: normalize, relu6 ({name})"),
                format!("conv2d_2: convolution, kernel: its gradient ({name})"),
            ]
        );
        assert_eq!(
            shown(BLOCKS[13])[3..],
            [
                format!("conv2d_1 + batch_normalization + activation: kernel: convolution, normalize, relu6 ({name})"),
                format!("conv2d_2: kernel: convolution ({name})"),
                format!("batch_normalization_1 + activation_1: kernel: normalize, relu ({name})"),
                format!("conv2d_3 + batch_normalization_2: kernel: convolution, normalize ({name})"),
                "global_average_pooling2d: arrange".to_owned(),
            ]
        );
        assert_eq!(
            shown(BLOCKS[7])[2..8],
            [
                format!("batch_normalization + activation: kernel: normalize, relu ({name})"),
                format!(
                    "conv2d_1 + batch_normalization_1 + residual + activation_1: \
                     kernel: convolution, normalize, add, relu ({name})"
                ),
                "conv2d_2: convolution".to_owned(),
                "conv2d_3: convolution".to_owned(),
                format!("batch_normalization_3: kernel: normalize ({name})"),
                format!("batch_normalization_2 + residual_1: kernel: normalize, add ({name})"),
            ]
        );
    }
}

#[test]
fn mixed_bfloat16_computes_nearly_the_same() {
    for layers in BLOCKS {
        let layers: Vec<Layer> = serde_json::from_str(layers).unwrap();
        let plan = Plan::new(&layers, [12, 8, 3]).unwrap_or_else(|error| panic!("{}", error.message));
        let model = |precision, optimize| {
            Model::new(&layers, &plan, 1, Means { precision, optimize, ..Means::from(Device::Cpu) }).unwrap()
        };
        let x = images(5, [12, 8, 3]);
        let exact = run(&model(Precision::Float32, true), &x, &TRAINING);
        for optimize in [true, false] {
            let mixed = outputs_and_gradients(&model(Precision::MixedBfloat16, optimize), &x);
            assert!(mixed.iter().all(|tensor| tensor.kind() == Kind::Float), "{layers:?}");
            let (scale, off) =
                (exact.abs().max().double_value(&[]), (&mixed[0] - &exact).abs().max().double_value(&[]));
            assert!(off < 0.08 * scale, "{layers:?}: {off} of {scale}");
        }
    }
}
