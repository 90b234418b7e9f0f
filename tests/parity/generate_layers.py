"""Compute what Keras' other layers give, forward and backward: `layers_more.json`.

    .venv/bin/python tests/parity/generate_layers.py    # packages as for generate.py
"""

from pathlib import Path

from generate import LAYOUT, distinct, layer_case, normal, tensor, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import tensorflow as tf

ACTIVATIONS = [
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "hard_silu",
    "hard_sigmoid",
    "softplus",
    "softmax",
    "tanh",
    "sigmoid",
]


class Compiled(keras.layers.Wrapper):
    """The same layer, compiled by XLA: eager TensorFlow has no gradients of grouped convolutions on a processor."""

    def call(self, inputs, training=None):
        return tf.function(self.layer, jit_compile=True)(inputs)

    @property
    def weights(self):
        return self.layer.weights


def layers(rng):
    cases = []

    def add(name, kind, shape, layer=None, inputs=None, compiled=False, **arguments):
        item = {kind: arguments}
        layer = layer or getattr(keras.layers, kind_of(kind))(**{k: tuples(v) for k, v in arguments.items()})
        inputs = normal(rng, shape) if inputs is None else inputs
        cases.append(layer_case(rng, name, item, Compiled(layer) if compiled else layer, inputs))

    def convolution(name, kind, shape, **arguments):
        add(f"{kind}_{name}", kind, shape, **arguments)

    convolution("dilated", "conv2d", (2, 8, 7, 2), filters=3, kernel_size=3, dilation_rate=2)
    convolution("dilated_same", "conv2d", (1, 7, 6, 2), filters=3, kernel_size=[3, 2], dilation_rate=[2, 3], padding="same")
    for name, arguments in (
        ("groups", {"kernel_size": 3, "groups": 2, "padding": "same"}),
        ("groups_strides", {"kernel_size": 3, "groups": 2, "padding": "same", "strides": 2, "activation": "relu"}),
    ):
        convolution(name, "conv2d", (2, 6, 5, 4), filters=6, compiled=True, **arguments)
    convolution("valid", "depthwise_conv2d", (2, 6, 7, 3), kernel_size=3)
    convolution("same", "depthwise_conv2d", (2, 5, 6, 3), kernel_size=3, padding="same", activation="relu6")
    convolution("strides_multiplier", "depthwise_conv2d", (1, 7, 8, 2), kernel_size=3, strides=2, padding="same", depth_multiplier=3)
    convolution("dilated", "depthwise_conv2d", (1, 7, 7, 2), kernel_size=3, dilation_rate=2, use_bias=False)
    convolution("same", "separable_conv2d", (2, 6, 5, 3), filters=4, kernel_size=3, padding="same", activation="relu")
    convolution("multiplier", "separable_conv2d", (1, 8, 7, 2), filters=3, kernel_size=3, strides=2, depth_multiplier=2, use_bias=False)
    for padding in ("valid", "same"):
        for kernel in (2, 3, 4):
            for strides in (1, 2, 3):
                name = f"{padding}_kernel{kernel}_strides{strides}"
                convolution(name, "conv2d_transpose", (1, 3, 4, 2), filters=2, kernel_size=kernel, strides=strides, padding=padding)
    convolution("rectangles", "conv2d_transpose", (2, 3, 4, 3), filters=2, kernel_size=[3, 2], strides=[2, 1], padding="same", activation="relu")
    convolution("output_padding", "conv2d_transpose", (1, 3, 4, 2), filters=2, kernel_size=3, strides=2, padding="same", output_padding=1)
    convolution("output_padding_valid", "conv2d_transpose", (1, 3, 4, 2), filters=2, kernel_size=3, strides=3, output_padding=[1, 2])
    convolution("no_output_padding", "conv2d_transpose", (1, 3, 4, 2), filters=2, kernel_size=5, strides=3, padding="same", output_padding=0)

    def pool(name, kind, shape, **arguments):
        add(f"{kind}_{name}", kind, shape, inputs=distinct(rng, shape), **arguments)

    pool("even", "average_pooling2d", (2, 6, 8, 2), pool_size=2)
    pool("odd", "average_pooling2d", (2, 7, 5, 2), pool_size=2)
    pool("same", "average_pooling2d", (2, 7, 5, 2), pool_size=2, padding="same")
    pool("same_overlapping", "average_pooling2d", (1, 8, 8, 2), pool_size=3, strides=2, padding="same")
    pool("same_rectangles", "average_pooling2d", (1, 7, 6, 2), pool_size=[3, 4], strides=[1, 2], padding="same")
    for kind in ("global_average_pooling2d", "global_max_pooling2d"):
        pool("plain", kind, (2, 3, 4, 5))
        pool("keepdims", kind, (2, 3, 4, 5), keepdims=True)

    for function in ACTIVATIONS:
        add(f"activation_{function}", "activation", (4, 9), keras.layers.Activation(function), normal(rng, (4, 9), 3.0), function=function)
    add("activation_gelu_approximate", "activation", (4, 9), keras.layers.Activation(lambda x: keras.activations.gelu(x, approximate=True)), function="gelu_approximate")
    add("activation_leaky_relu_slope", "activation", (4, 9), keras.layers.LeakyReLU(negative_slope=0.3), function="leaky_relu", negative_slope=0.3)
    add("activation_softmax_tokens", "activation", (2, 3, 4), keras.layers.Activation("softmax"), function="softmax")
    add("dense_tokens", "dense", (2, 3, 4), units=5, activation="gelu")

    for shape in ((3, 2, 4, 6), (3, 5, 6), (4, 6)):
        name = {4: "images", 3: "tokens", 2: "vectors"}[len(shape)]
        add(f"layer_normalization_{name}", "layer_normalization", shape)
        add(f"rms_normalization_{name}", "rms_normalization", shape)
        add(f"group_normalization_{name}", "group_normalization", shape, groups=3)
    add("layer_normalization_plain", "layer_normalization", (3, 6), center=False, scale=False, epsilon=0.1)
    add("rms_normalization_epsilon", "rms_normalization", (3, 6), epsilon=0.1)
    add("group_normalization_instance", "group_normalization", (2, 3, 4, 5), groups=-1, center=False)

    add("flatten_tokens", "flatten", (2, 3, 4))
    add("reshape_images", "reshape", (2, 3, 4, 2), target_shape=[4, 2, 3])
    add("reshape_tokens", "reshape", (2, 3, 4, 2), target_shape=[-1, 2])
    add("reshape_to_images", "reshape", (2, 12), target_shape=[2, -1, 3])
    add("permute_images", "permute", (2, 3, 4, 2), dims=[3, 1, 2])
    add("permute_tokens", "permute", (2, 3, 4), dims=[2, 1])
    add("up_sampling2d_nearest", "up_sampling2d", (2, 3, 4, 2), size=[2, 3])
    add("up_sampling2d_bilinear", "up_sampling2d", (2, 3, 4, 2), size=[2, 3], interpolation="bilinear")
    add("zero_padding2d", "zero_padding2d", (2, 3, 4, 2))
    add("zero_padding2d_sides", "zero_padding2d", (2, 3, 4, 2), padding=[[1, 0], [2, 3]])
    add("cropping2d", "cropping2d", (2, 5, 6, 2), cropping=[1, 2])
    add("cropping2d_sides", "cropping2d", (2, 5, 6, 2), cropping=[[1, 0], [2, 3]])
    add("spatial_dropout2d", "spatial_dropout2d", (2, 3, 4, 2), rate=0.5)
    add("gaussian_noise", "gaussian_noise", (2, 6), stddev=0.5)
    add("gaussian_dropout", "gaussian_dropout", (2, 6), rate=0.5)
    return cases


def kind_of(name):
    """`depthwise_conv2d` is `DepthwiseConv2D`."""
    name = {"rms_normalization": "RMSNormalization", "conv2d_transpose": "Conv2DTranspose"}.get(name, name)
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")).replace("2d", "2D")


def tuples(value):
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def squeeze_excites(rng):
    """Layers that Keras has as several, in the way of its EfficientNet and MobileNetV3."""
    cases = []
    for activation, gate in (("silu", "sigmoid"), ("relu", "hard_sigmoid")):
        inputs = normal(rng, (2, 3, 4, 6))
        x = keras.Input(inputs.shape[1:])
        pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
        reduced = keras.layers.Conv2D(2, 1, activation=activation)(pooled)
        expanded = keras.layers.Conv2D(6, 1, activation=gate)(reduced)
        model = keras.Model(x, keras.layers.multiply([x, expanded]))
        case = layer_case(rng, f"squeeze_excite_{activation}", {"squeeze_excite": {"units": 2, "activation": activation, "gate_activation": gate}}, Renamed(model), inputs)
        for gradient in case["parameter_gradients"].values():
            gradient["shape"] = gradient["shape"][-2:]
        cases.append(case)
    return cases


class Renamed:
    """A model whose weights have the names of ours, and the shapes of dense layers."""

    def __init__(self, model):
        self.model = model
        names = ["reduce_kernel", "reduce_bias", "expand_kernel", "expand_bias"]
        self.weights = [Weight(weight, name) for weight, name in zip(model.weights, names)]

    def build(self, _):
        pass

    def __call__(self, x, training):
        return self.model(x, training=training)


class Weight:
    def __init__(self, weight, name):
        self.weight, self.name, self.value = weight, name, weight.value
        self.shape = weight.shape

    def assign(self, values):
        self.weight.assign(values)

    def numpy(self):
        return self.weight.numpy().reshape(self.shape[-2:])


def regularizers(rng):
    """What weights cost."""
    weights = normal(rng, (3, 3, 2, 4))
    kinds = [{"l1": 0.01}, {"l2": 0.02}, {"l1": 0.03, "l2": 0.004}]
    costs = [float(keras.regularizers.L1L2(**{"l1": 0.0, "l2": 0.0, **kind})(weights)) for kind in kinds]
    return [{"weights": tensor(weights), "regularizer": kind, "cost": cost} for kind, cost in zip(kinds, costs)]


def constraints(rng):
    """What weights are brought back to."""
    made = {"max_norm": keras.constraints.MaxNorm, "non_neg": keras.constraints.NonNeg, "unit_norm": keras.constraints.UnitNorm}
    cases = []
    for shape, layout, arguments in (
        ((5, 4), "usual", [("max_norm", {}), ("max_norm", {"max_value": 1, "axis": 1}), ("non_neg", {}), ("unit_norm", {})]),
        ((3, 2, 4, 5), "usual", [("max_norm", {"max_value": 1.5, "axis": [0, 1, 2]}), ("unit_norm", {"axis": [0, 1]})]),
        ((3, 2, 4, 3), "depthwise", [("max_norm", {"max_value": 0.5, "axis": [0, 1]}), ("unit_norm", {"axis": 2})]),
    ):
        for kind, given in arguments:
            weights = normal(rng, shape)
            constraint = made[kind](**given)
            after = constraint(weights)
            cases.append({"layout": layout, "constraint": {kind: given}, "weights": tensor(weights), "after": tensor(after)})
    return cases


def main():
    rng = np.random.default_rng(23)
    content = {
        "layout": LAYOUT,
        "cases": layers(rng) + squeeze_excites(rng),
        "regularizers": regularizers(rng),
        "constraints": constraints(rng),
    }
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "layers_more.json", content, versions)


if __name__ == "__main__":
    main()
