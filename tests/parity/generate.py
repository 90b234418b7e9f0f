"""Compute the parity fixtures: what Keras, Pillow and scikit-learn answer, for our tests to hold ours against.

    python -m venv .venv
    .venv/bin/pip install keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6 pillow==13.0.0 scikit-learn==1.9.1
    .venv/bin/python tests/parity/generate.py              # writes the *.json beside this script
    .venv/bin/python tests/parity/generate.py --output DIR  # or elsewhere, to compare

The committed files were made with these versions on Python 3.11. Numbers from other versions or processors may differ
in the last bits; the tests allow for that. `tests/parity/README.md` describes the files.
"""

import argparse
import json
import math
import os
import platform
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # one order of summation, whatever the processor

import keras  # noqa: E402
import numpy as np  # noqa: E402
import PIL  # noqa: E402
import sklearn  # noqa: E402
import tensorflow as tf  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.metrics import classification_report, confusion_matrix  # noqa: E402

LAYOUT = "images [batch, height, width, channels]; conv kernels [height, width, in, out]; dense kernels [in, out]"


def tensor(array):
    """`{"shape", "data"}`, flattened row-major; floats in the fewest digits that give the same float32 back."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        data = [float(str(value)) for value in array.astype(np.float32).ravel()]
    else:
        data = [int(value) for value in array.ravel()]
    return {"shape": list(array.shape), "data": data}


def number(value):
    """A float32 scalar, written as `tensor` writes them."""
    return float(str(np.float32(value)))


def normal(rng, shape, scale=1.0, decimals=2):
    """Normal float32 values with few decimals, to keep the files small."""
    return np.round(rng.normal(0.0, scale, shape), decimals).astype(np.float32)


def distinct(rng, shape, low=-1.0):
    """Values that are all different, so that a maximum is never a tie."""
    count = math.prod(shape)
    return (rng.permutation(count) / count * 2.0 + low).round(3).astype(np.float32).reshape(shape)


# ---------------------------------------------------------------------------------------------------------- layers


def layer_case(rng, name, item, layer, inputs, training=False):
    """One layer's output for `inputs`, and its gradients for a random gradient of the output."""
    layer.build(inputs.shape)
    for weight in layer.weights:
        spread = 0.1 if weight.name == "bias" else 1.0 / math.sqrt(math.prod(weight.shape[:-1]))
        weight.assign(normal(rng, weight.shape, spread, decimals=3))
    names = [weight.name for weight in layer.weights]
    x = tf.Variable(inputs)
    with tf.GradientTape() as tape:
        output = layer(x, training=training)
        upstream = normal(rng, output.shape)
        total = tf.reduce_sum(output * upstream)
    gradients = tape.gradient(total, [x] + [weight.value for weight in layer.weights])
    return {
        "name": name,
        "layer": item,
        "input": tensor(inputs),
        "parameters": {n: tensor(weight.numpy()) for n, weight in zip(names, layer.weights)},
        "output": tensor(output),
        "output_gradient": tensor(upstream),
        "input_gradient": tensor(gradients[0]),
        "parameter_gradients": {n: tensor(gradient) for n, gradient in zip(names, gradients[1:])},
    }


def layers():
    rng = np.random.default_rng(1)
    cases = []

    def add(name, item, layer, inputs):
        cases.append(layer_case(rng, name, item, layer, inputs))

    def conv(name, shape, **arguments):
        item = {"conv2d": {"filters": 4, **arguments}}
        add(name, item, keras.layers.Conv2D(filters=4, **arguments), normal(rng, shape))

    conv("conv2d_valid", (2, 6, 7, 3), kernel_size=3)
    conv("conv2d_same_relu", (2, 6, 7, 3), kernel_size=3, padding="same", activation="relu")
    # With strides, or an even kernel, TensorFlow pads more after than before.
    for kernel in (3, 2):
        for side, parity in ((8, "even"), (7, "odd")):
            conv(
                f"conv2d_same_strides2_kernel{kernel}_{parity}",
                (1, side, side, 2),
                kernel_size=kernel,
                strides=2,
                padding="same",
            )
    conv("conv2d_same_kernel2", (1, 5, 4, 2), kernel_size=2, padding="same")
    conv("conv2d_same_kernel4_strides3", (1, 8, 7, 2), kernel_size=4, strides=3, padding="same")
    conv("conv2d_valid_rectangles", (2, 7, 8, 2), kernel_size=[3, 5], strides=[2, 1])
    conv("conv2d_no_bias", (2, 5, 5, 3), kernel_size=3, use_bias=False)
    conv("conv2d_kernel1", (2, 3, 4, 3), kernel_size=1)

    def pool(name, item, shape, low=-1.0, **arguments):
        add(name, item, keras.layers.MaxPooling2D(**arguments), distinct(rng, shape, low))

    pool("max_pooling2d_even", "max_pooling2d", (2, 6, 8, 2))
    pool("max_pooling2d_odd", "max_pooling2d", (2, 7, 5, 2))
    for side, parity in ((8, "even"), (7, "odd")):
        arguments = {"pool_size": 3, "strides": 2, "padding": "same"}
        # Every value is negative: zeros in the padding would win.
        pool(
            f"max_pooling2d_same_overlapping_{parity}",
            {"max_pooling2d": arguments},
            (1, side, side, 2),
            low=-2.5,
            **arguments,
        )
    pool("max_pooling2d_rectangle", {"max_pooling2d": {"pool_size": [2, 3]}}, (2, 6, 7, 2), pool_size=[2, 3])
    # Equal values in a window: all of the gradient goes to one of them.
    ties = np.round(rng.uniform(-1.0, 1.0, (1, 6, 6, 2))).astype(np.float32)
    add("max_pooling2d_ties", "max_pooling2d", keras.layers.MaxPooling2D(), ties)

    add("dense", {"dense": 5}, keras.layers.Dense(5), normal(rng, (3, 7)))
    for activation in ("relu", "softmax", "sigmoid", "tanh"):
        item = {"dense": {"units": 5, "activation": activation}}
        add(f"dense_{activation}", item, keras.layers.Dense(5, activation=activation), normal(rng, (3, 7), 2.0))
    item = {"dense": {"units": 5, "use_bias": False}}
    add("dense_no_bias", item, keras.layers.Dense(5, use_bias=False), normal(rng, (3, 7)))

    add("flatten", "flatten", keras.layers.Flatten(), normal(rng, (2, 3, 4, 5)))
    pixels = rng.integers(0, 256, (2, 4, 4, 3)).astype(np.float32)
    add("rescaling", {"rescaling": {"scale": 1 / 255}}, keras.layers.Rescaling(1 / 255), pixels)
    item = {"rescaling": {"scale": 1 / 127.5, "offset": -1}}
    add("rescaling_offset", item, keras.layers.Rescaling(1 / 127.5, offset=-1), pixels)
    for activation in ("relu", "softmax"):
        layer = keras.layers.Activation(activation)
        add(f"activation_{activation}", {"activation": activation}, layer, normal(rng, (3, 6), 2.0))
    # On images the softmax runs over the channels.
    layer = keras.layers.Activation("softmax")
    add("activation_softmax_images", {"activation": "softmax"}, layer, normal(rng, (2, 3, 2, 4), 2.0))
    add("dropout_inference", {"dropout": 0.5}, keras.layers.Dropout(0.5), normal(rng, (3, 6)))
    return {"cases": cases}


# -------------------------------------------------------------------------------------------------------- training


def normalization_case(rng, name, shape, steps=3, **arguments):
    """Some training steps: outputs, gradients and moving statistics of each; then inference."""
    layer = keras.layers.BatchNormalization(**arguments)
    layer.build(shape)
    start = {}
    for weight in layer.trainable_weights:
        weight.assign(normal(rng, weight.shape, 0.5, decimals=3) + (1.0 if weight.name == "gamma" else 0.0))
        start[weight.name] = tensor(weight.numpy())
    passes = []
    for _ in range(steps):
        inputs = normal(rng, shape) * 2.0 + 1.0
        x = tf.Variable(inputs)
        with tf.GradientTape() as tape:
            output = layer(x, training=True)
            upstream = normal(rng, output.shape)
            total = tf.reduce_sum(output * upstream)
        gradients = tape.gradient(total, [x] + [weight.value for weight in layer.trainable_weights])
        passes.append(
            {
                "input": tensor(inputs),
                "output": tensor(output),
                "output_gradient": tensor(upstream),
                "input_gradient": tensor(gradients[0]),
                "parameter_gradients": {w.name: tensor(g) for w, g in zip(layer.trainable_weights, gradients[1:])},
                "moving": {weight.name: tensor(weight.numpy()) for weight in layer.non_trainable_weights},
            }
        )
    inputs = normal(rng, shape)
    return {
        "name": name,
        "layer": {"batch_normalization": arguments},
        "parameters": start,
        "steps": passes,
        "inference": {"input": tensor(inputs), "output": tensor(layer(inputs, training=False))},
    }


def batch_normalization():
    rng = np.random.default_rng(7)
    return {
        "cases": [
            normalization_case(rng, "images", (4, 5, 3, 2)),
            normalization_case(rng, "vectors", (6, 4), momentum=0.9, epsilon=0.01),
            normalization_case(rng, "without_scale", (3, 2, 2, 3), scale=False),
            normalization_case(rng, "without_center", (3, 2, 2, 3), center=False),
        ]
    }


def losses(rng):
    """`sparse_categorical_crossentropy`: each example's, their mean, and the mean's gradient."""

    def case(name, inputs, labels, from_logits, head=None):
        x = tf.Variable(inputs)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        each = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits, reduction="none")
        with tf.GradientTape() as tape:
            predictions = x if head is None else head(x)
            value = loss(labels, predictions)
        return {
            "name": name,
            "from_logits": from_logits,
            "through_softmax_layer": head is not None,
            "predictions": tensor(inputs),
            "labels": [int(label) for label in labels],
            "losses": tensor(each(labels, predictions)),
            "loss": number(value),
            "gradient": tensor(tape.gradient(value, x)),
        }

    logits = normal(rng, (6, 5), 2.0)
    labels = rng.integers(0, 5, 6)
    extreme = np.array([[100, 0, -100], [-50, 50, 0], [1000, 0, 0], [0, 0, 0]], np.float32)
    extreme_labels = np.array([2, 0, 1, 1])
    probabilities = np.array(
        [
            [0.7, 0.2, 0.1],
            [0.1, 0.3, 0.6],
            [1.0, 0.0, 0.0],  # certain and right: clipped at 1 - 1e-7
            [1.0, 0.0, 0.0],  # certain and wrong: clipped at 1e-7
            [0.5, 0.5, 1e-8],  # below the lower bound
            [0.2, 0.2, 0.2],  # sums to less than one
            [0.9, 0.8, 0.7],  # sums to more than one
        ],
        np.float32,
    )
    probability_labels = np.array([0, 1, 0, 2, 2, 1, 0])
    softmax = keras.layers.Activation("softmax")
    return [
        case("logits", logits, labels, True),
        case("logits_extreme", extreme, extreme_labels, True),
        case("probabilities", probabilities, probability_labels, False),
        # Keras finds the logits behind a softmax, so that nothing is clipped: `predictions` are the logits here.
        case("softmax_layer_extreme", extreme, extreme_labels, False, softmax),
    ]


def adam(rng):
    """Parameters after each of ten steps, for gradients of very different sizes."""
    steps = 10
    sizes = np.array([1.0, 1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e3, 0.0])
    start = normal(rng, (len(sizes),))
    gradients = (np.round(rng.normal(0.5, 1.0, (steps, len(sizes))), 3) * sizes).astype(np.float32)
    cases = []
    for name, arguments in (
        ("defaults", {}),
        ("large_epsilon", {"learning_rate": 0.01, "beta_1": 0.8, "epsilon": 1e-3}),
        ("small_beta_2", {"learning_rate": 0.005, "beta_2": 0.9}),
    ):
        optimizer = keras.optimizers.Adam(**arguments)
        variable = keras.Variable(start)
        after = []
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient)], [variable])
            after.append(variable.numpy().copy())
        cases.append(
            {
                "name": name,
                "arguments": arguments,
                "start": tensor(start),
                "gradients": tensor(gradients),
                "parameters": tensor(np.stack(after)),
            }
        )
    return cases


def accuracy():
    """Equal largest logits: the first one is the prediction."""
    logits = np.array(
        [[1, 2, 0], [2, 2, 1], [2, 2, 1], [0, 3, 3], [0, 3, 3], [5, 5, 5], [5, 5, 5], [-1, -2, -0.5]], np.float32
    )
    labels = np.array([1, 0, 1, 1, 2, 0, 2, 2])
    metric = keras.metrics.SparseCategoricalAccuracy()
    metric.update_state(labels, logits)
    matches = keras.metrics.sparse_categorical_accuracy(labels, logits)
    return {
        "logits": tensor(logits),
        "labels": [int(label) for label in labels],
        "matches": [int(match) for match in matches],
        "accuracy": number(metric.result()),
    }


def tutorial(rng):
    """A small network of the tutorial's kind, trained for five steps."""
    items = [
        {"rescaling": {"scale": 1 / 255}},
        {"conv2d": {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        "max_pooling2d",
        {"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        "max_pooling2d",
        "flatten",
        {"dense": {"units": 16, "activation": "relu"}},
        {"dense": 10},
    ]
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv2d"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2d_1"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu", name="dense"),
            keras.layers.Dense(10, name="dense_1"),
        ]
    )
    for layer in model.layers:
        for weight in layer.weights:
            # Biases that aren't zero show a bias in the wrong place.
            spread = 0.05 if weight.name == "bias" else math.sqrt(2.0 / math.prod(weight.shape[:-1]))
            weight.assign(normal(rng, weight.shape, spread, decimals=3))
    weights = [(f"{layer.name}.{weight.name}", weight) for layer in model.layers for weight in layer.weights]
    initial = {name: tensor(weight.numpy()) for name, weight in weights}
    batches, batch = 5, 8
    images = rng.integers(0, 256, (batches, batch, 8, 8, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, (batches, batch))
    model.compile(
        optimizer=keras.optimizers.Adam(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    steps = [model.train_on_batch(images[i], labels[i], return_dict=True)["loss"] for i in range(batches)]
    return {
        "input_shape": [8, 8, 3],
        "layers": items,
        "parameters": initial,
        "images": tensor(images),
        "labels": tensor(labels),
        "losses": [number(loss) for loss in steps],
    }


def training():
    return {
        "losses": losses(np.random.default_rng(2)),
        "adam": adam(np.random.default_rng(3)),
        "accuracy": accuracy(),
        "tutorial": tutorial(np.random.default_rng(4)),
    }


# ---------------------------------------------------------------------------------------------------- initializers


def fans(shape):
    receptive = math.prod(shape[:-2])
    return shape[-2] * receptive, shape[-1] * receptive


# The standard deviation of a standard normal cut off at two of them.
TRUNCATED_STDDEV = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


def theory(name, shape):
    """The distribution an initializer stands for: `stddev` is the underlying normal's, before it is cut off."""
    fan_in, fan_out = fans(shape)
    scales = {"glorot": 2.0 / (fan_in + fan_out), "he": 2.0 / fan_in, "lecun": 1.0 / fan_in}
    scale = scales.get(name.split("_")[0])
    if name in ("zeros", "ones"):
        return {"distribution": "constant", "value": float(name == "ones"), "variance": 0.0}
    if name == "random_normal":
        return {"distribution": "normal", "stddev": 0.05, "variance": 0.05**2}
    if name == "truncated_normal":
        variance = (0.05 * TRUNCATED_STDDEV) ** 2
        return {"distribution": "truncated_normal", "stddev": 0.05, "limit": 0.1, "variance": variance}
    if name == "random_uniform":
        return {"distribution": "uniform", "limit": 0.05, "variance": 0.05**2 / 3}
    if name.endswith("_uniform"):
        return {"distribution": "uniform", "limit": math.sqrt(3 * scale), "variance": scale}
    stddev = math.sqrt(scale) / TRUNCATED_STDDEV
    return {"distribution": "truncated_normal", "stddev": stddev, "limit": 2 * stddev, "variance": scale}


def initializers():
    names = (
        "glorot_uniform glorot_normal he_uniform he_normal lecun_uniform lecun_normal "
        "zeros ones random_normal random_uniform truncated_normal"
    ).split()
    cases = []
    for name in names:
        for shape, seeds in (((3, 3, 3, 32), 50), ((1024, 128), 5)):
            draws = []
            for seed in range(seeds):
                constant = name in ("zeros", "ones")
                config = {} if constant else {"seed": seed}
                initializer = keras.initializers.get({"class_name": name, "config": config})
                draws.append(np.asarray(initializer(shape), np.float64))
            expected = theory(name, shape)
            drawn = {
                "mean": float(np.mean([draw.mean() for draw in draws])),
                "variance": float(np.mean([draw.var() for draw in draws])),
                "min": float(np.mean([draw.min() for draw in draws])),
                "max": float(np.mean([draw.max() for draw in draws])),
            }
            # The theory is ours; Keras' draws must agree with it.
            assert math.isclose(drawn["variance"], expected["variance"], rel_tol=0.02), (name, shape)
            if "limit" in expected:
                assert max(np.abs(draw).max() for draw in draws) <= expected["limit"] * 1.000001, (name, shape)
            cases.append(
                {"name": name, "shape": list(shape), "theory": expected, "draws": seeds, "averages": drawn}
            )
    return {"cases": cases}


# -------------------------------------------------------------------------------------------------- early stopping


def early_stopping_case(model, name, values, monitor="val_loss", **arguments):
    """Feed `values` to Keras' callback; the model's weights are the number of the epoch."""
    callback = keras.callbacks.EarlyStopping(monitor=monitor, **arguments)
    epoch = 0
    restored = []
    model.get_weights = lambda: epoch
    model.set_weights = restored.append
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    stopped = None
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {monitor: value})
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    return {
        "name": name,
        "arguments": {"monitor": monitor, **arguments},
        "values": [None if math.isnan(value) else value for value in values],
        "stopped_epoch": stopped,
        "epochs_run": epoch + 1,
        "best_epoch": callback.best_epoch,
        "restored_epoch": restored[0] if restored else None,
    }


def early_stopping():
    # A real model, since `mode: auto` asks its metrics which way they go.
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], jit_compile=False)
    model.train_on_batch(np.zeros((1, 2), np.float32), np.zeros(1))
    nan = math.nan
    keep = {"restore_best_weights": True}

    def case(name, values, **arguments):
        return early_stopping_case(model, name, values, **arguments)

    falling = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    return {
        "epochs": "counted from 0",
        "nan": "null in `values` is NaN",
        "cases": [
            case("defaults", [1.0, 0.8, 0.9, 0.7]),
            case("first_epoch_never_stops", [1.0, 1.0, 1.0]),
            case("patience", [1.0, 0.8, 0.9, 0.85, 0.81, 0.7], patience=3, **keep),
            case("patience_starts_again", [1.0, 1.1, 1.2, 0.9, 1.0, 1.1, 1.2, 0.1], patience=3, **keep),
            case("not_restored", [1.0, 0.8, 0.9, 0.85, 0.7], patience=2),
            case("best_restored_without_stopping", [1.0, 0.5, 0.7, 0.6], patience=3, **keep),
            case("never_worse", falling, patience=1, **keep),
            case("plateau", [0.5, 0.5, 0.5, 0.5, 0.5], patience=2, **keep),
            case("min_delta_creeping", [1.0, 0.95, 0.9, 0.85, 0.8, 0.75], min_delta=0.125, patience=2, **keep),
            case("min_delta_in_time", [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.74], min_delta=0.125, patience=3, **keep),
            case("min_delta_exactly", [0.5, 0.375, 0.25, 0.125], min_delta=0.125, patience=1, **keep),
            case(
                "accuracy_auto",
                [0.25, 0.5, 0.625, 0.5, 0.5625, 0.75],
                monitor="val_accuracy",
                patience=2,
                **keep,
            ),
            case(
                "accuracy_max_min_delta",
                [0.25, 0.5, 0.5625, 0.625, 0.75],
                monitor="val_accuracy",
                mode="max",
                min_delta=0.125,
                patience=2,
                **keep,
            ),
            case("mode_against_the_name", falling, mode="max", patience=2, **keep),
            # Patience runs out, but only an epoch that is no improvement stops.
            case("baseline_never_met_improving", [1.0, 0.9, 0.8, 0.7], baseline=0.5, patience=2, **keep),
            case("baseline_never_met", [1.0, 0.9, 0.8, 0.85, 0.7], baseline=0.5, patience=2, **keep),
            case(
                "baseline_met_in_time",
                [1.0, 0.9, 0.4, 0.45, 0.3, 0.35, 0.36, 0.37, 0.1],
                baseline=0.5,
                patience=3,
                **keep,
            ),
            case(
                "start_from_epoch", [0.1, 0.2, 0.9, 0.8, 0.85, 0.7], start_from_epoch=2, patience=1, **keep
            ),
            case("start_from_epoch_past_the_end", [0.5, 0.4, 0.6], start_from_epoch=5, patience=1, **keep),
            case("nan_in_the_middle", [1.0, nan, 0.9, nan, nan, 0.1], patience=2, **keep),
            case("nan_first", [nan, 0.5, 0.4, 0.3], patience=2, **keep),
            case("nan_always", [nan, nan, nan, nan], patience=3, **keep),
        ],
    }


# ---------------------------------------------------------------------------------------------------------- resize


def resize():
    rng = np.random.default_rng(5)

    def noise(height, width):
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    def ramp(height, width):
        y, x = np.mgrid[0:height, 0:width]
        channels = [255 * y // (height - 1), 255 * x // (width - 1), 255 * (x + y) // (height + width - 2)]
        return np.stack(channels, axis=-1).astype(np.uint8)

    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    cases = []
    for content, make in (("noise", noise), ("ramp", ramp)):
        for (height, width), (to_height, to_width) in (((13, 9), (4, 4)), ((8, 8), (5, 3)), ((4, 4), (8, 8))):
            image = make(height, width)
            for name, resample in filters.items():
                resized = np.asarray(Image.fromarray(image).resize((to_width, to_height), resample))
                cases.append(
                    {
                        "name": f"{content}_{height}x{width}_to_{to_height}x{to_width}_{name}",
                        "filter": name,
                        "input": tensor(image),
                        "output": tensor(resized),
                    }
                )
    return {"sizes": "height x width", "bytes": "shape [height, width, 3]", "cases": cases}


# --------------------------------------------------------------------------------------------------------- metrics


def metrics_case(name, classes, labels, predictions):
    indices = list(range(len(classes)))
    report = classification_report(
        labels, predictions, labels=indices, target_names=classes, output_dict=True, zero_division=0
    )

    def figures(row):
        return {
            "precision": float(row["precision"]),
            "recall": float(row["recall"]),
            "f1": float(row["f1-score"]),
            "support": int(row["support"]),
        }

    return {
        "name": name,
        "classes": classes,
        "labels": [int(label) for label in labels],
        "predictions": [int(prediction) for prediction in predictions],
        "confusion_matrix": tensor(confusion_matrix(labels, predictions, labels=indices)),
        "per_class": [figures(report[name]) for name in classes],
        "macro": figures(report["macro avg"]),
        "weighted": figures(report["weighted avg"]),
        "accuracy": float(np.mean(np.asarray(labels) == np.asarray(predictions))),
    }


def metrics():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 4, 60)
    mostly = np.where(rng.random(60) < 0.7, labels, rng.integers(0, 4, 60))
    return {
        "confusion_matrix": "rows are labels, columns are predictions",
        "cases": [
            metrics_case("four_classes", ["a", "b", "c", "d"], labels, mostly),
            metrics_case("never_predicted", ["a", "b", "c"], [0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 0, 1, 1]),
            metrics_case("absent_from_labels", ["a", "b", "c"], [0, 0, 1, 1, 1], [0, 2, 1, 2, 1]),
            metrics_case("neither", ["a", "b", "c"], [0, 0, 1, 1], [0, 1, 1, 1]),
            metrics_case("perfect", ["a", "b"], [0, 1, 1, 0], [0, 1, 1, 0]),
            metrics_case("all_wrong", ["a", "b"], [0, 1, 1], [1, 0, 0]),
        ],
    }


# ----------------------------------------------------------------------------------------------------------- files


def write(path, content, versions):
    """JSON with a line for each case: a difference then shows which cases changed."""
    lines = []
    for key, value in {"generator": "tests/parity/generate.py", "versions": versions, **content}.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(f"    {json.dumps(row, separators=(',', ':'), allow_nan=False)}" for row in value)
            text = f"[\n{rows}\n  ]"
        else:
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        lines.append(f"  {json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    python = {"python": platform.python_version(), "numpy": np.__version__}
    by_keras = {"keras": keras.__version__, "tensorflow": tf.__version__, **python}
    write(output / "layers.json", {"layout": LAYOUT, **layers()}, by_keras)
    write(output / "batch_normalization.json", {"layout": LAYOUT, **batch_normalization()}, by_keras)
    write(output / "training.json", {"layout": LAYOUT, **training()}, by_keras)
    write(output / "initializers.json", {"layout": LAYOUT, **initializers()}, by_keras)
    write(output / "early_stopping.json", early_stopping(), by_keras)
    write(output / "resize.json", resize(), {"pillow": PIL.__version__, **python})
    write(output / "metrics.json", metrics(), {"scikit-learn": sklearn.__version__, **python})


if __name__ == "__main__":
    main()
