//! Our numbers against those that Keras computed: `tests/parity/generate.py` made the files.

use serde_json::{Value as Json, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};
use trainyard::{
    callback::{CallbackChoice, Ended},
    check::Plan,
    data::{ChannelSums, Order},
    evaluation::{
        Calibration, ClassificationReport, ConfusionMatrix, Metrics, PrecisionRecall, Predictions, Roc, ThresholdTable,
        TopK, significance::mcnemar, statistics::wilson,
    },
    layer::{
        Build, Constraint, Forward, Initializer, Layer, Layout, Parameter as Declared, Pass, Precision, Regularizer,
    },
    loss::{Loss, Targets},
    metric::{Accuracy, MetricDefinition},
    model::{Model, adapt, load_initial_weights},
    optimizer::{Adam, OptimizerChoice, OptimizerDefinition, Parameter, Update},
    schedule::{Length, Schedule},
    spec::InitialWeights,
    stage::Stage,
};

fn read(name: &str) -> Json {
    let path = format!("{}/tests/parity/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(json: &Json) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn shape(json: &Json) -> Vec<i64> {
    json["shape"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect()
}

fn tensor(json: &Json) -> Tensor {
    Tensor::from_slice(&numbers(&json["data"])).view(&shape(json)[..])
}

/// `[batch, height, width, channels]` as libtorch wants it; vectors as they are.
fn channels_first(x: &Tensor) -> Tensor {
    if x.dim() == 4 { x.permute([0, 3, 1, 2]) } else { x.shallow_clone() }
}

fn channels_last(x: &Tensor) -> Tensor {
    if x.dim() == 4 { x.permute([0, 2, 3, 1]) } else { x.shallow_clone() }
}

/// HWIO to OIHW, IO to OI.
fn kernel(x: &Tensor) -> Tensor {
    match x.dim() {
        4 => x.permute([3, 2, 0, 1]).contiguous(),
        2 => x.transpose(0, 1).contiguous(),
        _ => x.shallow_clone(),
    }
}

fn assert_close(ours: &Tensor, theirs: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(ours.size(), theirs.size(), "{what}");
    let difference = (ours - theirs).abs();
    let allowed = theirs.abs() * tolerance + tolerance;
    let worst = (difference - allowed).max().double_value(&[]);
    assert!(worst <= 0.0, "{what}: off by {worst:e} more than allowed");
}

/// Full form of an item: a bare name, a bare value, or a mapping.
fn layer(item: &Json) -> Layer {
    let full = match item {
        Json::String(name) => serde_json::json!({ name.as_str(): {} }),
        item => {
            let (name, value) = item.as_object().unwrap().iter().next().unwrap();
            let argument = match name.as_str() {
                "dense" => "units",
                "activation" => "function",
                "max_pooling2d" => "pool_size",
                "dropout" => "rate",
                _ => "scale",
            };
            match value {
                Json::Object(_) => item.clone(),
                value => serde_json::json!({ name.as_str(): { argument: value } }),
            }
        }
    };
    serde_json::from_value(full).unwrap()
}

/// A parameter of a layer, which Keras has with other axes.
fn stored(declared: &Declared, keras: &Json) -> Tensor {
    declared.layout.as_stored(&tensor(keras), &declared.shape).unwrap().contiguous()
}

const INFERENCE: Pass<'static> = Pass::inference(0);

#[test]
fn layers_compute_what_keras_computes_forward_and_backward() {
    let cases: Vec<Json> = ["layers", "layers_more", "attention"]
        .iter()
        .flat_map(|file| read(file)["cases"].as_array().unwrap().clone())
        .collect();
    assert!(cases.len() >= 110);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let layer = layer(&case["layer"]);
        let input = tensor(&case["input"]).set_requires_grad(true);
        let input_shape: Vec<usize> = input.size()[1..].iter().map(|&n| n as usize).collect();
        let expected = tensor(&case["output"]);
        let output_shape: Vec<i64> = layer.output_shape(&input_shape).unwrap().iter().map(|&n| n as i64).collect();
        assert_eq!(output_shape, expected.size()[1..], "{name}: the shape rule");
        let parameters: Vec<Tensor> = layer
            .parameters(&input_shape)
            .iter()
            .map(|declared| {
                let values = stored(declared, &case["parameters"][declared.name]);
                assert_eq!(values.size(), declared.shape, "{name}: {}", declared.name);
                values.set_requires_grad(true)
            })
            .collect();
        let build = Build {
            name: "it",
            input: &input_shape,
            parameters: parameters.iter().map(Tensor::shallow_clone).collect(),
            precision: Precision::Float32,
        };
        let operations: Vec<Box<dyn Forward>> = layer.build(build);
        let mut x = channels_first(&input);
        for operation in &operations {
            x = operation.forward(&x, &INFERENCE).unwrap();
        }
        let output = channels_last(&x);
        assert_close(&output, &expected, 1e-5, name);
        (&output * tensor(&case["output_gradient"])).sum(Kind::Float).backward();
        assert_close(&input.grad(), &tensor(&case["input_gradient"]), 1e-5, &format!("{name}: input gradient"));
        for (parameter, declared) in parameters.iter().zip(layer.parameters(&input_shape)) {
            let theirs = stored(&declared, &case["parameter_gradients"][declared.name]).reshape(parameter.size());
            assert_close(&parameter.grad(), &theirs, 2e-5, &format!("{name}: gradient of {}", declared.name));
        }
    }
}

#[test]
fn a_vision_transformer_is_keras_forward_and_backward() {
    let case = &read("attention")["transformer"];
    let layers: Vec<Layer> = serde_json::from_value(case["layers"].clone()).unwrap();
    let plan = Plan::new(&layers, [8, 6, 3]).unwrap();
    let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
    let declared = plan.parameters(&layers);
    let theirs = case["parameters"].as_array().unwrap();
    assert_eq!(model.parameters().len(), theirs.len());
    for ((ours, (name, declared)), theirs) in model.parameters().iter().zip(&declared).zip(theirs) {
        assert_eq!((&ours.name, declared.name), (name, theirs["name"].as_str().unwrap()));
        tch::no_grad(|| ours.tensor.shallow_clone().copy_(&stored(declared, &theirs["value"])));
    }
    let images = tensor(&case["images"]).to_kind(Kind::Uint8);
    let pass = Pass::training(0, 0);
    let output = model.forward(&images, &pass).unwrap_or_else(|error| panic!("{error:?}"));
    assert_close(&output, &tensor(&case["output"]), 1e-5, "logits");
    (&output * tensor(&case["output_gradient"])).sum(Kind::Float).backward();
    for ((ours, (name, declared)), theirs) in model.parameters().iter().zip(&declared).zip(theirs) {
        let gradient = stored(declared, &theirs["gradient"]);
        assert_close(&ours.tensor.grad(), &gradient, 2e-5, &format!("gradient of {name}"));
    }
}

#[test]
fn networks_with_pytorchs_weights_answer_as_pytorch_does() {
    for case in read("pytorch")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let layers: Vec<Layer> = serde_json::from_value(case["layers"].clone()).unwrap();
        let images = tensor(&case["images"]).to_kind(Kind::Uint8);
        let size: Vec<usize> = images.size()[1..].iter().map(|&n| n as usize).collect();
        let plan = Plan::new(&layers, <[usize; 3]>::try_from(size).unwrap()).unwrap();
        let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
        let initial: InitialWeights = serde_json::from_value(case["initial_weights"].clone()).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity").join(&initial.file);
        load_initial_weights(&model, &file, &initial).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        for model in [model.frozen().unwrap(), model.layer_by_layer().unwrap()] {
            let output = model.forward(&images, &INFERENCE).unwrap_or_else(|error| panic!("{error:?}"));
            assert_close(&output, &tensor(&case["output"]), 1e-5, name);
        }
    }
}

#[test]
fn weights_cost_what_kerass_regularizers_say() {
    for case in read("layers_more")["regularizers"].as_array().unwrap() {
        let regularizer: Regularizer = serde_json::from_value(case["regularizer"].clone()).unwrap();
        let cost = regularizer.cost(&tensor(&case["weights"])).unwrap();
        let theirs = Tensor::from(case["cost"].as_f64().unwrap() as f32);
        assert_close(&cost, &theirs, 1e-5, &case["regularizer"].to_string());
    }
}

#[test]
fn constraints_bring_weights_back_to_where_keras_does() {
    for case in read("layers_more")["constraints"].as_array().unwrap() {
        let constraint: Constraint = serde_json::from_value(case["constraint"].clone()).unwrap();
        let weights = tensor(&case["weights"]);
        let (layout, size) = match (case["layout"].as_str().unwrap(), weights.size().as_slice()) {
            ("depthwise", &[h, w, i, m]) => (Layout::Depthwise(m), vec![i * m, 1, h, w]),
            (_, &[h, w, i, o]) => (Layout::Usual, vec![o, i, h, w]),
            (_, size) => (Layout::Usual, size.iter().rev().copied().collect()),
        };
        let ours = layout.as_stored(&weights, &size).unwrap().copy();
        layout.constrain(&ours, &constraint).unwrap();
        let theirs = layout.as_stored(&tensor(&case["after"]), &size).unwrap();
        assert_close(&ours, &theirs, 1e-5, &case["constraint"].to_string());
    }
}

#[test]
fn batch_normalization_is_keras_over_steps_and_in_inference() {
    for case in read("batch_normalization")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let layer: Layer = serde_json::from_value(case["layer"].clone()).unwrap();
        let input_shape: Vec<usize> = shape(&case["inference"]["input"])[1..].iter().map(|&n| n as usize).collect();
        let declared = layer.parameters(&input_shape);
        let parameters: Vec<Tensor> = declared
            .iter()
            .map(|parameter| match &case["parameters"][parameter.name] {
                Json::Null => {
                    assert!(!parameter.trainable, "{name}: {}", parameter.name);
                    Tensor::from_slice(&parameter.initializer.draw(&parameter.shape, 0, "moving"))
                }
                values => tensor(values).set_requires_grad(true),
            })
            .collect();
        let own = parameters.iter().map(Tensor::shallow_clone).collect();
        let operations =
            layer.build(Build { name: "it", input: &input_shape, parameters: own, precision: Precision::Float32 });
        let run = |x: &Tensor, training| {
            let pass = Pass { training, ..Pass::training(0, 0) };
            channels_last(&operations[0].forward(&channels_first(x), &pass).unwrap())
        };
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let name = format!("{name}, step {index}");
            let x = tensor(&step["input"]).set_requires_grad(true);
            let y = run(&x, true);
            assert_close(&y, &tensor(&step["output"]), 1e-5, &name);
            (&y * tensor(&step["output_gradient"])).sum(Kind::Float).backward();
            assert_close(&x.grad(), &tensor(&step["input_gradient"]), 1e-4, &format!("{name}: input gradient"));
            for (parameter, declared) in parameters.iter().zip(&declared) {
                if declared.trainable {
                    let theirs = tensor(&step["parameter_gradients"][declared.name]);
                    assert_close(&parameter.grad(), &theirs, 1e-4, &format!("{name}: {}", declared.name));
                    parameter.shallow_clone().zero_grad();
                } else {
                    let theirs = tensor(&step["moving"][declared.name]);
                    assert_close(parameter, &theirs, 1e-5, &format!("{name}: {}", declared.name));
                }
            }
        }
        let inference = &case["inference"];
        assert_close(&run(&tensor(&inference["input"]), false), &tensor(&inference["output"]), 1e-5, name);
    }
}

fn crossentropy() -> Loss {
    serde_json::from_value(serde_json::json!({ "sparse_categorical_crossentropy": {} })).unwrap()
}

#[test]
fn the_loss_is_keras_loss() {
    for case in read("training")["losses"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if case["through_softmax_layer"].as_bool().unwrap() {
            // A model that ends in softmax hands over what stands before it: covered by the logits' cases.
            continue;
        }
        let predictions = tensor(&case["predictions"]).set_requires_grad(true);
        let labels: Vec<i64> = case["labels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        let from_logits = case["from_logits"].as_bool().unwrap();
        let loss =
            crossentropy().compute(&predictions, &Targets::of(Tensor::from_slice(&labels)), from_logits).unwrap();
        let theirs = Tensor::from(case["loss"].as_f64().unwrap() as f32);
        assert_close(&loss, &theirs, 1e-5, name);
        loss.backward();
        assert_close(&predictions.grad(), &tensor(&case["gradient"]), 1e-5, &format!("{name}: gradient"));
    }
}

#[test]
fn class_weights_count_as_kerass() {
    let case = &read("data")["weighted_loss"];
    let labels: Vec<i64> = case["labels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
    let labels = Tensor::from_slice(&labels);
    let weights = tensor(&case["class_weights"]).index_select(0, &labels);
    let targets = Targets { weights: Some(weights), ..Targets::of(labels) };
    let loss = crossentropy().compute(&tensor(&case["logits"]), &targets, true).unwrap();
    assert_close(&loss, &Tensor::from(case["loss"].as_f64().unwrap() as f32), 1e-5, "weighted");
}

#[test]
fn the_loss_of_blended_examples_is_kerass() {
    for case in read("data")["blended_losses"].as_array().unwrap() {
        let (outputs, shares) = (tensor(&case["outputs"]), tensor(&case["shares"]));
        let targets = Targets { shares: Some(shares.shallow_clone()), ..Targets::of(shares.argmax(1, false)) };
        let loss = crossentropy().compute(&outputs, &targets, case["from_logits"].as_bool().unwrap()).unwrap();
        assert_close(&loss, &Tensor::from(case["loss"].as_f64().unwrap() as f32), 1e-5, "blended");
    }
}

#[test]
fn normalization_finds_and_uses_kerass_statistics() {
    for case in read("data")["normalization"].as_array().unwrap() {
        let images = tensor(&case["images"]).to_kind(Kind::Uint8);
        let &[_, height, width, channels] = images.size().as_slice() else { panic!("images") };
        let shape = [height, width, channels].map(|n| n as usize);
        let mut sums = ChannelSums::new(shape.into());
        sums.add(shape.into(), &Vec::<u8>::try_from(images.contiguous().view([-1])).unwrap());
        // Scaling before it changes the statistics and not what comes out.
        for items in [vec!["normalization"], vec!["rescaling", "normalization"]] {
            let item = |name: &&str| match *name {
                "rescaling" => serde_json::json!({"rescaling": {"scale": 0.01, "offset": -1}}),
                name => serde_json::json!({ name: {} }),
            };
            let layers: Vec<Layer> = items.iter().map(|name| layer(&item(name))).collect();
            let plan = Plan::new(&layers, shape).unwrap();
            let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
            adapt(&model, &layers, &plan, &sums.statistics().unwrap()).unwrap();
            if items.len() == 1 {
                for (parameter, name) in model.parameters().iter().zip(["mean", "variance"]) {
                    assert_eq!(parameter.name, format!("normalization.{name}"));
                    assert!(!parameter.trainable);
                    assert_close(&parameter.tensor, &tensor(&case[name]), 1e-5, name);
                }
            }
            let pass = Pass::inference(0);
            let output = channels_last(&model.forward(&images, &pass).map_err(|e| e.error).unwrap());
            assert_close(&output, &tensor(&case["output"]), 1e-4, "output");
        }
    }
}

/// The distribution of tf.data's `shuffle`, from as many trials on both sides.
#[test]
fn shuffle_has_the_distribution_of_tf_data() {
    for case in read("data")["shuffle"].as_array().unwrap() {
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let (elements, trials) = (number("elements"), number("trials"));
        let stages = [
            serde_json::json!({"shuffle": {"buffer_size": number("buffer_size")}}),
            serde_json::json!({"batch": {"batch_size": 1}}),
        ];
        let stages: Vec<Stage> = stages.into_iter().map(|stage| serde_json::from_value(stage).unwrap()).collect();
        let order = Order { stages: &stages, path: "dataset.train", examples: elements, seed: 3 };
        let mut counts = vec![0.0; elements * elements];
        for epoch in 0..trials {
            for (position, batch) in order.epoch(epoch as u64).iter().enumerate() {
                counts[batch[0].example as usize * elements + position] += 1.0;
            }
        }
        for (cell, (ours, theirs)) in counts.iter().zip(numbers(&case["counts"]["data"])).enumerate() {
            let (element, position, theirs) = (cell / elements, cell % elements, f64::from(theirs));
            // Five standard deviations of the difference of two counts.
            let chance = (ours + theirs) / (2 * trials) as f64;
            let bound = 5.0 * (2.0 * trials as f64 * chance * (1.0 - chance)).sqrt();
            assert!((ours - theirs).abs() <= bound, "element {element} at {position}: {ours}, tf.data {theirs}");
            let too_early = element >= position + number("buffer_size");
            assert!(!too_early || (*ours == 0.0 && theirs == 0.0), "element {element} at {position}");
        }
    }
}

#[test]
fn adam_steps_as_keras_adam_does() {
    for case in read("training")["adam"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let adam: Adam = serde_json::from_value(case["arguments"].clone()).unwrap();
        let parameter = tensor(&case["start"]).set_requires_grad(true);
        let mut optimizer = adam.start(vec![trained("it", &parameter)]);
        let (gradients, expected) = (tensor(&case["gradients"]), tensor(&case["parameters"]));
        for step in 0..gradients.size()[0] {
            parameter.shallow_clone().zero_grad();
            (&parameter * gradients.get(step)).sum(Kind::Float).backward();
            optimizer.step(adam.learning_rate().at(0, &LENGTH)).unwrap();
            assert_close(&parameter.detach(), &expected.get(step), 2e-6, &format!("{name}: step {}", step + 1));
        }
    }
}

#[test]
fn accuracy_counts_the_first_among_equals() {
    let case = &read("training")["accuracy"];
    let labels: Vec<u32> = case["labels"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect();
    let predicted: Vec<i64> = tensor(&case["logits"]).argmax(1, false).try_into().unwrap();
    let predicted = predicted.into_iter().map(|class| class as u32).collect();
    let mut accuracy = Accuracy {}.start(10);
    accuracy.add(&Predictions { labels, predicted, ..Predictions::default() }.into());
    let theirs = case["accuracy"].as_f64().unwrap();
    let ours = accuracy.value(case["labels"].as_array().unwrap().len());
    assert!((ours - theirs).abs() < 1e-6, "{ours}");
}

#[test]
fn the_tutorials_network_follows_keras_loss() {
    let case = &read("training")["tutorial"];
    let layers: Vec<Layer> = case["layers"].as_array().unwrap().iter().map(layer).collect();
    let plan = Plan::new(&layers, [8, 8, 3]).unwrap();
    let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
    tch::no_grad(|| {
        for parameter in model.parameters() {
            parameter.tensor.shallow_clone().copy_(&kernel(&tensor(&case["parameters"][&parameter.name])));
        }
    });
    let mut optimizer = Adam::default().start(model.parameters().iter().map(|p| trained(&p.name, &p.tensor)).collect());
    let (images, labels) = (tensor(&case["images"]).to_kind(Kind::Uint8), tensor(&case["labels"]).to_kind(Kind::Int64));
    for (step, theirs) in numbers(&case["losses"]).into_iter().enumerate() {
        let pass = Pass::training(0, step as u64);
        let outputs = model.forward(&images.get(step as i64), &pass).map_err(|e| e.error).unwrap();
        let loss =
            crossentropy().compute(&outputs, &Targets::of(labels.get(step as i64)), model.gives_logits()).unwrap();
        let ours = loss.double_value(&[]);
        assert!((ours - f64::from(theirs)).abs() < 1e-4, "step {step}: {ours}, and Keras has {theirs}");
        model.parameters().iter().for_each(|p| p.tensor.shallow_clone().zero_grad());
        loss.backward();
        optimizer.step(0.001).unwrap();
    }
}

/// What a schedule without a length of its own would hang on.
const LENGTH: Length = Length { steps_per_epoch: 10, steps: 1000 };

fn trained(name: &str, tensor: &Tensor) -> Parameter {
    Parameter { name: name.to_owned(), tensor: tensor.shallow_clone(), factor: 1.0 }
}

#[test]
fn optimizers_step_as_kerass() {
    for case in read("optimizers")["optimizers"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let definition: OptimizerChoice = serde_json::from_value(case["optimizer"].clone()).unwrap();
        let cases = case["parameters"].as_object().unwrap();
        let parameters: Vec<Tensor> =
            cases.values().map(|case| kernel(&tensor(&case["start"])).set_requires_grad(true)).collect();
        let named = cases.keys().zip(&parameters).map(|(n, p)| trained(n, p)).collect();
        let mut optimizer = Update::new(&definition, named);
        for step in 0..10 {
            for (parameter, case) in parameters.iter().zip(cases.values()) {
                parameter.shallow_clone().zero_grad();
                (parameter * kernel(&tensor(&case["gradients"]).get(step))).sum(Kind::Float).backward();
            }
            optimizer.step(definition.learning_rate().at(step as u64, &LENGTH)).unwrap();
            for ((parameter, case), own) in parameters.iter().zip(cases.values()).zip(cases.keys()) {
                let theirs = kernel(&tensor(&case["after"]).get(step));
                assert_close(&parameter.detach(), &theirs, 1e-5, &format!("{name}: {own}, step {}", step + 1));
            }
        }
        optimizer.finish().unwrap();
        for (parameter, case) in parameters.iter().zip(cases.values()) {
            assert_close(&parameter.detach(), &kernel(&tensor(&case["finished"])), 1e-5, &format!("{name}: finished"));
        }
    }
}

#[test]
fn schedules_give_kerass_rates() {
    for case in read("optimizers")["schedules"].as_array().unwrap() {
        let schedule: Schedule = serde_json::from_value(case["schedule"].clone()).unwrap();
        for (step, theirs) in case["steps"].as_array().unwrap().iter().zip(numbers(&case["rates"])) {
            let ours = schedule.rate(step.as_u64().unwrap(), &LENGTH);
            assert!((ours - f64::from(theirs)).abs() < 1e-7, "{schedule:?}: {ours} at {step}, not {theirs}");
        }
    }
}

#[test]
fn every_loss_is_kerass() {
    let fixture = read("losses");
    let cases = fixture["cases"].as_array().unwrap();
    for case in cases {
        let loss: Loss = serde_json::from_value(case["loss"].clone()).unwrap();
        let logits = case["from_logits"].as_bool().unwrap();
        let name = format!("{loss:?}, logits: {logits}");
        let outputs = tensor(&case["outputs"]).set_requires_grad(true);
        let labels: Vec<i64> = case["labels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        let given = |key: &str| case[key].is_object().then(|| tensor(&case[key]));
        let targets =
            Targets { shares: given("shares"), weights: given("weights"), labels: Tensor::from_slice(&labels) };
        let value = loss.compute(&outputs, &targets, logits).unwrap();
        assert_close(&value, &Tensor::from(case["value"].as_f64().unwrap() as f32), 1e-5, &name);
        value.backward();
        assert_close(&outputs.grad(), &tensor(&case["gradient"]), 1e-5, &format!("{name}: gradient"));
    }
    // Those of predicted numbers are held to Keras' in `tests/regression.rs`.
    let numbers = read("regression");
    let cases = || cases.iter().chain(numbers["losses"].as_array().unwrap());
    for name in Loss::NAMES {
        assert!(cases().any(|case| case["loss"].get(name).is_some()), "no case of {name}");
    }
}

#[test]
fn smoothed_losses_are_kerass() {
    for case in read("optimizers")["smoothed_losses"].as_array().unwrap() {
        let smoothing = serde_json::json!({ "label_smoothing": case["label_smoothing"] });
        let loss: Loss =
            serde_json::from_value(serde_json::json!({ "sparse_categorical_crossentropy": smoothing })).unwrap();
        let outputs = tensor(&case["outputs"]).set_requires_grad(true);
        let labels: Vec<i64> = case["labels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        let shares = case["shares"].is_object().then(|| tensor(&case["shares"]));
        let targets = Targets { shares, ..Targets::of(Tensor::from_slice(&labels)) };
        let value = loss.compute(&outputs, &targets, case["from_logits"].as_bool().unwrap()).unwrap();
        assert_close(&value, &Tensor::from(case["loss"].as_f64().unwrap() as f32), 1e-5, "smoothed");
        value.backward();
        assert_close(&outputs.grad(), &tensor(&case["gradient"]), 1e-5, "smoothed: gradient");
    }
}

#[test]
fn initializers_have_keras_distributions() {
    let mut seen = 0;
    for case in read("initializers")["cases"].as_array().unwrap() {
        // A word, or one that takes arguments.
        let name = case["name"].as_str().unwrap();
        let initializer: Initializer = serde_json::from_value(case["name"].clone())
            .or_else(|_| serde_json::from_value(serde_json::json!({ name: {} })))
            .unwrap();
        seen += 1;
        let shape: Vec<i64> = case["shape"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        let stored = match shape[..] {
            [h, w, i, o] => vec![o, i, h, w],
            [i, o] => vec![o, i],
            _ => shape,
        };
        let draws = 40;
        let values: Vec<f64> =
            (0..draws).flat_map(|seed| initializer.draw(&stored, seed, "it.kernel")).map(f64::from).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let theirs = case["theory"]["variance"].as_f64().unwrap();
        let what = format!("{initializer:?} {stored:?}");
        assert!((variance - theirs).abs() <= 0.03 * theirs, "{what}: variance {variance}, not {theirs}");
        let expected_mean = case["theory"]["value"].as_f64().unwrap_or(0.0);
        assert!((mean - expected_mean).abs() <= 5.0 * (theirs / n).sqrt(), "{what}: mean {mean}");
        if let Some(limit) = case["theory"]["limit"].as_f64() {
            assert!(values.iter().all(|x| x.abs() <= limit * (1.0 + 1e-6)), "{what}: beyond {limit}");
        }
    }
    assert!(seen >= 22, "{seen}");
}

#[test]
fn early_stopping_stops_and_restores_where_keras_does() {
    for case in read("early_stopping")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let choice: CallbackChoice =
            serde_json::from_value(serde_json::json!({ "early_stopping": case["arguments"] })).unwrap();
        let monitor = choice.monitor().unwrap().figure.to_owned();
        let mut callback = choice.start(monitor.contains("acc")).unwrap();
        let (mut kept, mut stopped) = (None, None);
        for (epoch, value) in case["values"].as_array().unwrap().iter().enumerate() {
            let figures = [(monitor.clone(), value.as_f64().unwrap_or(f64::NAN))];
            let verdict = callback.epoch_ended(&Ended { epoch, figures: &figures, learning_rate: 0.1 });
            if verdict.keep_weights {
                kept = Some(epoch as u64);
            }
            if verdict.stop.is_some() {
                stopped = Some(epoch as u64);
                break;
            }
        }
        assert_eq!(stopped, case["stopped_epoch"].as_u64(), "{name}: stopped");
        assert_eq!(kept, case["restored_epoch"].as_u64(), "{name}: restored");
    }
}

#[test]
fn a_plateau_lowers_the_rate_where_keras_does() {
    for case in read("plateau")["cases"].as_array().unwrap() {
        let arguments = &case["arguments"];
        let choice: CallbackChoice =
            serde_json::from_value(serde_json::json!({ "reduce_lr_on_plateau": arguments })).unwrap();
        let mut callback = choice.start(choice.monitor().unwrap().figure.contains("acc")).unwrap();
        let monitor = choice.monitor().unwrap().figure.to_owned();
        let mut rate = 0.1;
        let values = case["values"].as_array().unwrap().iter().zip(numbers(&case["rates"]));
        for (epoch, (value, theirs)) in values.enumerate() {
            let figures = [(monitor.clone(), value.as_f64().unwrap())];
            let verdict = callback.epoch_ended(&Ended { epoch, figures: &figures, learning_rate: rate });
            rate *= verdict.learning_rate_factor.unwrap_or(1.0);
            let off = (rate / f64::from(theirs) - 1.0).abs();
            assert!(off < 1e-6, "{arguments}: {rate} behind epoch {epoch}, not {theirs}");
            // What it remembers is enough to go on with.
            let memory = callback.memory();
            callback = choice.start(monitor.contains("acc")).unwrap();
            assert!(callback.recall(&memory));
        }
    }
}

/// The bytes of the generator that `generate_trajectory.py` makes its images with.
fn generated(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = (state * 1_103_515_245 + 12345) % (1 << 31);
        (state >> 16 & 255) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn twenty_steps_of_the_tutorials_network_follow_kerass() {
    let case = &read("trajectory");
    let convolution =
        |filters| json!({"conv2d": {"filters": filters, "kernel_size": 3, "padding": "same", "activation": "relu"}});
    let layers = [
        json!({"rescaling": {"scale": 1.0 / 255.0}}),
        convolution(8),
        json!("max_pooling2d"),
        convolution(8),
        json!("max_pooling2d"),
        convolution(16),
        json!("max_pooling2d"),
        json!("flatten"),
        json!({"dense": {"units": 32, "activation": "relu"}}),
        json!({"dense": 10}),
    ];
    let layers: Vec<Layer> = layers.iter().map(layer).collect();
    let plan = Plan::new(&layers, [32, 32, 3]).unwrap();
    let number = |key: &str| case[key].as_u64().unwrap() as usize;
    let (steps, batch) = (number("steps"), number("batch"));
    let pixels = generated(steps * batch * 32 * 32 * 3);
    let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
    tch::no_grad(|| {
        for parameter in model.parameters() {
            parameter.tensor.shallow_clone().copy_(&kernel(&tensor(&case["parameters"][&parameter.name])));
        }
    });
    let parameters = model.parameters().iter().map(|p| trained(&p.name, &p.tensor)).collect();
    let mut optimizer = Update::new(&OptimizerChoice::default(), parameters);
    let losses = numbers(&case["losses"]);
    assert!(losses.len() == 20 && losses[19] < losses[0] - 0.02, "nothing was learned: {losses:?}");
    for (step, theirs) in losses.into_iter().enumerate() {
        let labels: Vec<i64> = (step * batch..(step + 1) * batch).map(|example| (example * 7 % 10) as i64).collect();
        let size = 32 * 32 * 3;
        let images = pixels[step * batch * size..].chunks_exact(size).zip(&labels);
        let images: Vec<u8> = images
            .flat_map(|(image, &label)| image.iter().map(move |&p| (f32::from(p) * (label + 1) as f32 / 10.0) as u8))
            .collect();
        let images = Tensor::from_slice(&images).view([batch as i64, 32, 32, 3]);
        let pass = Pass::training(0, step as u64);
        let outputs = model.forward(&images, &pass).map_err(|e| e.error).unwrap();
        let targets = Targets::of(Tensor::from_slice(&labels));
        let loss = crossentropy().compute(&outputs, &targets, model.gives_logits()).unwrap();
        let ours = loss.double_value(&[]);
        assert!((ours - f64::from(theirs)).abs() < 1e-4, "step {step}: {ours}, and Keras has {theirs}");
        model.parameters().iter().for_each(|p| p.tensor.shallow_clone().zero_grad());
        loss.backward();
        optimizer.step(0.001).unwrap();
    }
}

#[test]
fn the_classification_report_is_scikit_learns() {
    for case in read("metrics")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let labels = |key: &str| -> Vec<u32> {
            case[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
        };
        let per_class = case["per_class"].as_array().unwrap();
        let predictions = Predictions {
            classes: (0..per_class.len()).map(|class| class.to_string()).collect(),
            labels: labels("labels"),
            predicted: labels("predictions"),
            probabilities: Vec::new(),
        };
        let table = ClassificationReport {}.outcome(&predictions);
        let averages = [(&table.macro_average, &case["macro"]), (&table.weighted_average, &case["weighted"])];
        for (ours, theirs) in table.classes.iter().zip(per_class).chain(averages) {
            for (figure, value) in [("precision", ours.precision), ("recall", ours.recall), ("f1", ours.f1)] {
                let theirs = theirs[figure].as_f64().unwrap();
                let ours_value = value.unwrap_or(0.0);
                assert!((ours_value - theirs).abs() < 1e-9, "{name}: {} {figure}: {ours_value}", ours.name);
            }
            assert_eq!(ours.support as f64, theirs["support"].as_f64().unwrap(), "{name}: {}", ours.name);
        }
        assert!((table.accuracy - case["accuracy"].as_f64().unwrap()).abs() < 1e-9);
        let counts: Vec<f32> =
            ConfusionMatrix::default().counts(&predictions).counts.concat().iter().map(|&n| n as f32).collect();
        assert_eq!(counts, numbers(&case["confusion_matrix"]["data"]), "{name}");
    }
}

#[test]
fn mcnemars_test_is_scipys_binomial_one() {
    let significance = read("significance");
    let cases = significance["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let count = |name: &str| case[name].as_u64().unwrap();
        let (ours, theirs) = (mcnemar(count("only_first"), count("only_second")), case["p"].as_f64().unwrap());
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{case}: {ours:e}");
    }
}

/// The cases of `metrics_sklearn.json`, each with its predictions.
fn predicted_with_probabilities() -> Vec<(Json, Predictions)> {
    let cases = read("metrics_sklearn")["cases"].as_array().unwrap().clone();
    let whole = |json: &Json| -> Vec<u32> { numbers(json).into_iter().map(|number| number as u32).collect() };
    let with_predictions = |case: Json| {
        let predictions = Predictions {
            classes: (0..case["classes"].as_u64().unwrap()).map(|class| class.to_string()).collect(),
            labels: whole(&case["labels"]),
            predicted: whole(&case["predicted"]),
            probabilities: numbers(&case["probabilities"]),
        };
        (case, predictions)
    };
    cases.into_iter().map(with_predictions).collect()
}

/// Ours is theirs to 1e-9, and both are defined or neither is.
fn assert_same(ours: Option<f64>, theirs: &Json, what: &str) {
    match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => assert!((ours - theirs).abs() < 1e-9, "{what}: {ours}, not {theirs}"),
        (ours, theirs) => assert_eq!(ours, theirs, "{what}"),
    }
}

fn assert_same_interval(ours: Option<(f64, f64)>, theirs: &Json, what: &str) {
    assert_same(ours.map(|(low, _)| low), theirs.get(0).unwrap_or(&Json::Null), what);
    assert_same(ours.map(|(_, high)| high), theirs.get(1).unwrap_or(&Json::Null), what);
}

#[test]
fn figures_agree_with_scikit_learn() {
    for (case, predictions) in predicted_with_probabilities() {
        let name = case["name"].as_str().unwrap();
        let table = ClassificationReport {}.outcome(&predictions);
        let report = &case["report"];
        for (class, row) in table.classes.iter().enumerate() {
            for (figure, ours) in [("precision", row.precision), ("recall", row.recall), ("f1", row.f1)] {
                assert_same(Some(ours.unwrap_or(0.0)), &report[figure][class], &format!("{name}: {figure} of {class}"));
            }
        }
        let counts: Vec<u64> = ConfusionMatrix::default().counts(&predictions).counts.concat();
        assert_eq!(serde_json::json!(counts), case["confusion_matrix"], "{name}");

        let outcome = Metrics { resamples: 100 }.outcome(&predictions);
        for figure in &outcome.figures {
            let theirs = match figure.name.split_once('_').unwrap_or((&figure.name, "")) {
                (average @ ("macro" | "weighted"), kind @ ("precision" | "recall" | "f1")) => &report[average][kind],
                ("macro", "roc_auc") => &case["roc"]["macro"],
                ("top", _) => &case["top_k"]["5"],
                _ => &case[&figure.name],
            };
            assert!(!theirs.is_null(), "{name}: {}", figure.name);
            assert_same(figure.value, theirs, &format!("{name}: {}", figure.name));
        }
        assert_same_interval(outcome.figures[0].interval, &case["wilson"], name);

        let calibration = Calibration::default().outcome(&predictions);
        assert_same(calibration.expected_error, &case["expected_error"], name);
        assert_same(calibration.maximum_error, &case["maximum_error"], name);
        assert_same(calibration.brier_score, &case["brier_score"], name);
        assert_same(calibration.log_loss, &case["log_loss"], name);

        let ks = case["top_k"].as_object().unwrap();
        let top = TopK { k: ks.keys().map(|k| k.parse().unwrap()).collect() }.outcome(&predictions);
        assert_eq!(top.rows.len(), ks.len(), "{name}");
        for row in &top.rows {
            assert_same(Some(row.share), &ks[&row.k.to_string()], &format!("{name}: top {}", row.k));
        }
    }
}

#[test]
fn areas_agree_with_scikit_learn() {
    for (case, predictions) in predicted_with_probabilities() {
        let outcomes = [
            ("roc", Roc {}.outcome(&predictions).0),
            ("average_precision", PrecisionRecall {}.outcome(&predictions).0),
        ];
        for (kind, ours) in outcomes {
            let (theirs, what) = (&case[kind], format!("{}: {kind}", case["name"]));
            assert_same(ours.macro_average, &theirs["macro"], &what);
            assert_same(ours.weighted_average, &theirs["weighted"], &what);
            assert_same(ours.micro_average, &theirs["micro"], &what);
            assert_eq!(ours.classes.len(), theirs["per_class"].as_array().unwrap().len());
            for (class, area) in ours.classes.iter().enumerate() {
                assert_same(area.area, &theirs["per_class"][class], &format!("{what} of {class}"));
            }
        }
    }
}

#[test]
fn thresholds_and_intervals_agree_with_scikit_learn_and_scipy() {
    for (case, predictions) in predicted_with_probabilities() {
        let name = case["name"].as_str().unwrap();
        let accepted = case["accepted"].as_array().unwrap();
        let thresholds = accepted.iter().map(|row| row["threshold"].as_f64().unwrap()).collect();
        let outcome = ThresholdTable { thresholds }.outcome(&predictions);
        assert_eq!(outcome.accepted.len(), accepted.len());
        for (ours, theirs) in outcome.accepted.iter().zip(accepted) {
            assert_eq!((Some(ours.count), Some(ours.errors)), (theirs["count"].as_u64(), theirs["errors"].as_u64()));
            assert_same_interval(ours.interval, &theirs["wilson"], name);
        }
        let decided = case["decided"].as_array().unwrap();
        assert_eq!(outcome.decided.len(), decided.len());
        for (ours, theirs) in outcome.decided.iter().zip(decided) {
            for (figure, ours) in [("precision", ours.precision), ("recall", ours.recall), ("f1", ours.f1)] {
                assert_same(Some(ours.unwrap_or(0.0)), &theirs[figure], &format!("{name}: {figure}"));
            }
        }
    }
    for row in read("metrics_sklearn")["wilson"].as_array().unwrap() {
        let (right, examples) = (row["right"].as_f64().unwrap(), row["examples"].as_u64().unwrap());
        let ours = wilson(right / examples as f64, examples as usize);
        assert_same_interval(Some(ours), &row["interval"], &row.to_string());
    }
}
