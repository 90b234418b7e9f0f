//! Names for rows of layers: networks, and the blocks that these consist of.
//!
//! A preset writes its layers as a pipeline would have them, so that what `summary --expand` shows is what is built. Networks
//! are as torchvision and timm have them, so that their weights fit: strided windows are padded alike on all sides, and
//! `epsilon` and `momentum` of normalizations are PyTorch's.

use super::{ActivationFunction, Block, Layer, LayerDefinition, ShapeError, Structure, last_activation, structure};
use serde_json::{Value as Json, json};
use std::sync::OnceLock;

/// What presets share.
pub trait Preset {
    /// The layers, as a pipeline has them in full.
    fn layers(&self) -> Vec<Json>;

    /// Whether training changes any of them.
    fn trainable(&self) -> bool;

    /// Where they are kept.
    fn made(&self) -> &Made;
}

/// The layers that a preset makes of its arguments, once.
#[derive(Clone, Debug, Default)]
pub struct Made(OnceLock<Vec<Layer>>);

/// They follow from the arguments, which are compared.
impl PartialEq for Made {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<P: Preset> LayerDefinition for P {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        structure::output_shape(self, input)
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn activation_bytes(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn stands_for(&self) -> Option<&[Layer]> {
        let layer = |json| serde_json::from_value(json).expect("presets write layers as they are");
        let frozen = |layer: Layer| if self.trainable() { layer } else { frozen(&layer) };
        Some(self.made().0.get_or_init(|| self.layers().into_iter().map(layer).map(frozen).collect()))
    }

    fn structure(&self) -> Structure<'_> {
        let layers = self.stands_for().unwrap_or_default();
        Structure::Repeat(1, Block { key: "layers", index: None, layers })
    }

    fn activation(&self) -> ActivationFunction {
        last_activation(self.stands_for().unwrap_or_default())
    }
}

/// The same layer, and those within it, with weights that stay as they are.
fn frozen(layer: &Layer) -> Layer {
    let layer = with_rows(layer, |layers| layers.iter().map(frozen).collect());
    let mut json = serde_json::to_value(&layer).expect("a layer is plain data");
    json[layer.name()]["trainable"] = json!(false);
    // Layers without weights don't take the argument.
    serde_json::from_value(json).unwrap_or(layer)
}

/// The layers without presets among them: in place of each stand the layers that it is a name for.
pub fn expanded(layers: &[Layer]) -> Vec<Layer> {
    let of_one = |layer: &Layer| match layer.stands_for() {
        Some(layers) => expanded(layers),
        None => vec![with_rows(layer, expanded)],
    };
    layers.iter().flat_map(of_one).collect()
}

/// The same layer with other layers in it.
fn with_rows(layer: &Layer, change: impl Fn(&[Layer]) -> Vec<Layer>) -> Layer {
    let blocks = layer.structure().blocks();
    // What a preset makes follows from its arguments.
    if blocks.is_empty() || layer.stands_for().is_some() {
        return layer.clone();
    }
    let mut json = serde_json::to_value(layer).expect("a layer is plain data");
    for block in blocks {
        let row = block.row(&mut json[layer.name()]).expect("its layers stand in its arguments");
        *row = serde_json::to_value(change(block.layers)).expect("layers are plain data");
    }
    serde_json::from_value(json).expect("only the layers in it are others")
}

/// How the classes are told: the mean over all places, then a dense layer.
pub(super) fn pooled_head(dropout: f64, classes: Option<usize>) -> Vec<Json> {
    let dropout = (dropout > 0.0).then(|| json!({ "dropout": { "rate": dropout } }));
    [json!({ "global_average_pooling2d": {} })].into_iter().chain(dropout).chain([classifier(classes)]).collect()
}

/// A number for each class.
pub(super) fn classifier(classes: Option<usize>) -> Json {
    json!({ "dense": { "units": classes.unwrap_or(CLASSES) } })
}

/// Those of ImageNet, where neither the pipeline nor its source tells any.
const CLASSES: usize = 1000;

/// A convolution without bias, padded alike on all sides, as many zeros as keep the size.
pub(super) fn convolution(filters: usize, kernel_size: usize, strides: usize) -> Vec<Json> {
    let mut arguments = json!({
        "filters": filters, "kernel_size": kernel_size, "use_bias": false, "kernel_initializer": "he_normal",
    });
    padded(&mut arguments, "conv2d", kernel_size, strides)
}

/// The same for each channel on its own.
pub(super) fn depthwise_convolution(kernel_size: usize, strides: usize) -> Vec<Json> {
    let mut arguments = json!({
        "kernel_size": kernel_size, "use_bias": false, "depthwise_initializer": "he_normal",
    });
    padded(&mut arguments, "depthwise_conv2d", kernel_size, strides)
}

/// `same` pads alike on all sides only where the windows lie beside each other.
fn padded(arguments: &mut Json, name: &str, kernel_size: usize, strides: usize) -> Vec<Json> {
    let mut layers = Vec::new();
    match (kernel_size, strides) {
        (1, 1) => {}
        (_, 1) => arguments["padding"] = json!("same"),
        (1, _) => arguments["strides"] = json!(strides),
        _ => {
            arguments["strides"] = json!(strides);
            layers.push(json!({ "zero_padding2d": { "padding": kernel_size / 2 } }));
        }
    }
    layers.push(json!({ name: arguments.take() }));
    layers
}

/// Batch normalization as PyTorch has it, and a function behind it.
pub(super) fn normalized(activation: Option<&str>) -> Vec<Json> {
    let normalization = json!({ "batch_normalization": { "momentum": 0.9, "epsilon": 1e-5 } });
    [normalization]
        .into_iter()
        .chain(activation.map(|function| json!({ "activation": { "function": function } })))
        .collect()
}

/// A multiple of 8 near `channels`, which is at most a tenth less: how MobileNet and EfficientNet round.
pub(super) fn round_channels(channels: f64) -> usize {
    let near = (((channels + 4.0) / 8.0) as usize * 8).max(8);
    if (near as f64) < 0.9 * channels { near + 8 } else { near }
}

/// How a network for large images begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// For images of 224x224: they are soon made much smaller.
    #[default]
    Imagenet,
    /// For images of 32x32, such as CIFAR's: the first layers keep the size.
    Cifar,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::Plan, model::Model};
    use tch::Device;

    fn layer(json: Json) -> Layer {
        serde_json::from_value(json).unwrap()
    }

    /// The numbers that training changes.
    fn trained(preset: Json, input: [usize; 3]) -> u64 {
        let layers = [layer(preset)];
        let plan = Plan::new(&layers, input).unwrap_or_else(|error| panic!("{}", error.message));
        let parameters = plan.parameters(&layers).into_iter().map(|(_, parameter)| parameter);
        parameters.filter(|it| it.trainable).map(|it| it.shape.iter().product::<i64>() as u64).sum()
    }

    /// As torchvision and timm count them: moving means and variances are no parameters there.
    #[test]
    fn networks_have_the_published_numbers_of_parameters() {
        for (preset, count) in [
            (json!({ "resnet": { "depth": 18 } }), 11_689_512),
            (json!({ "resnet": { "depth": 34 } }), 21_797_672),
            (json!({ "resnet": { "depth": 50 } }), 25_557_032),
            (json!({ "vgg": { "depth": 11 } }), 132_863_336),
            (json!({ "vgg": { "depth": 13 } }), 133_047_848),
            (json!({ "vgg": { "depth": 16 } }), 138_357_544),
            (json!({ "vgg": { "depth": 16, "batch_normalization": true } }), 138_365_992),
            (json!({ "vgg": { "depth": 19 } }), 143_667_240),
            (json!({ "mobilenet_v2": {} }), 3_504_872),
            (json!({ "efficientnet_b0": {} }), 5_288_548),
            (json!({ "vit": { "size": "tiny" } }), 5_717_416),
            (json!({ "vit": { "size": "small" } }), 22_050_664),
        ] {
            assert_eq!(trained(preset.clone(), [224, 224, 3]), count, "{preset}");
        }
        // With option B of the paper; 2,752 fewer with option A.
        for (depth, count) in [(20, 272_474), (32, 466_906), (56, 855_770)] {
            assert_eq!(trained(json!({ "resnet": { "depth": depth, "classes": 10 } }), [32, 32, 3]), count, "{depth}");
        }
        // GoogLeNet's block 3a.
        let block = json!({ "inception_block": {
            "filters_1x1": 64, "filters_3x3": [96, 128], "filters_5x5": [16, 32], "filters_pool": 32, "batch_normalization": false,
        } });
        assert_eq!(trained(block, [28, 28, 192]), 163_696);
    }

    /// A preset that is frozen has nothing to train.
    #[test]
    fn frozen_presets_train_nothing() {
        for (name, example) in crate::family::examples::<Layer>() {
            let mut example = example;
            if layer(example.clone()).stands_for().is_some() {
                let input = if name == "transformer_block" { [1, 1, 16] } else { [32, 32, 3] };
                let before = if name == "transformer_block" {
                    vec![json!({ "patch_embedding": { "patch_size": 1, "embed_dim": 16, "trainable": false } })]
                } else {
                    vec![]
                };
                example[name.as_str()]["trainable"] = json!(false);
                if name == "vit" {
                    example["vit"]["patch_size"] = json!(8);
                }
                let layers: Vec<Layer> = before.into_iter().chain([example]).map(layer).collect();
                let plan = Plan::new(&layers, input).unwrap_or_else(|error| panic!("{name}: {}", error.message));
                let parameters = plan.parameters(&layers);
                assert!(!parameters.is_empty() && parameters.iter().all(|(_, it)| !it.trainable), "{name}");
            }
        }
    }

    #[test]
    fn the_layers_that_a_preset_stands_for_give_the_same_model() {
        let presets = [
            json!({ "resnet": { "depth": 20, "width": 4, "classes": 10 } }),
            json!({ "resnet": { "depth": 50, "width": 2, "classes": 10, "trainable": false } }),
            json!({ "vgg": { "depth": 13, "units": 8, "classes": 10, "batch_normalization": true } }),
            json!({ "mobilenet_v2": { "alpha": 0.1, "classes": 10, "stem": "cifar" } }),
            json!({ "efficientnet_b0": { "classes": 10, "stem": "cifar" } }),
            json!({ "vit": { "size": "tiny", "patch_size": 8, "depth": 2, "classes": 10, "dropout": 0.1, "stochastic_depth": 0.2 } }),
            json!({ "repeat": { "times": 2, "layers": [{ "inception_block": {
                "filters_1x1": 4, "filters_3x3": [2, 6], "filters_5x5": [2, 4], "filters_pool": 2,
            } }] } }),
        ];
        let images =
            (tch::Tensor::arange(2 * 32 * 32 * 3, tch::kind::FLOAT_CPU).sin() * 127.0 + 127.0).view([2, 32, 32, 3]);
        for preset in presets {
            let layers = [layer(json!({ "rescaling": { "scale": 0.01 } })), layer(preset.clone())];
            let written = expanded(&layers);
            assert!(written.len() > 2 || preset.get("repeat").is_some(), "{preset}");
            let text = serde_json::to_string(&written).unwrap();
            for name in
                ["resnet", "vgg", "mobilenet_v2", "efficientnet_b0", "\"vit\"", "transformer_block", "inception_block"]
            {
                assert!(!text.contains(name), "{name} is left of {preset}");
            }
            let build = |layers: &[Layer]| {
                let plan = Plan::new(layers, [32, 32, 3]).unwrap_or_else(|error| panic!("{}", error.message));
                Model::new(layers, &plan, 3, Device::Cpu).unwrap()
            };
            let (ours, theirs) = (build(&layers), build(&written));
            let names = |model: &Model| -> Vec<(String, Vec<i64>, bool)> {
                model.parameters().iter().map(|it| (it.name.clone(), it.tensor.size(), it.trainable)).collect()
            };
            assert_eq!(names(&ours), names(&theirs), "{preset}");
            for training in [true, false] {
                let pass = super::super::Pass { training, ..super::super::Pass::training(1, 2) };
                let of = |model: &Model| model.forward(&images, &pass).unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(of(&ours), of(&theirs), "{preset}");
            }
        }
    }

    #[test]
    fn channels_are_rounded_as_in_mobilenet() {
        assert_eq!([32.0, 11.2, 0.5, 33.6, 1792.0].map(round_channels), [32, 16, 8, 32, 1792]);
    }
}
