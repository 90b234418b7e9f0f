"""Compute what Keras makes of tokens: layer normalization, attention and a small vision transformer: `attention.json`.

    .venv/bin/python tests/parity/generate_attention.py    # packages as for generate.py

Kernels have Keras' axes, those of attention an axis for the heads, and the names of our parameters.
"""

import math
from pathlib import Path

from generate import LAYOUT, normal, tensor, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import tensorflow as tf

TOKENS = (2, 5, 6)


@keras.saving.register_keras_serializable()
class Learned(keras.layers.Layer):
    """A learned tensor: the class token, or what is added at each place."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def build(self, shape):
        name, shape = ("token", shape[-1:]) if self.kind == "class_token" else ("embeddings", shape[1:])
        self.learned = self.add_weight(name=name, shape=shape, initializer="zeros")

    def call(self, x):
        if self.kind == "position_embedding":
            return x + self.learned
        token = tf.broadcast_to(self.learned, (tf.shape(x)[0], 1, x.shape[-1]))
        return tf.concat([token, x], axis=1)


class SelfAttention(keras.layers.Layer):
    """Keras' attention, with its own input as query, key and value."""

    def __init__(self, **arguments):
        super().__init__()
        self.attention = keras.layers.MultiHeadAttention(**arguments)

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x, training=False):
        return self.attention(x, x, training=training)


def our_name(weight):
    """The name of a weight within its layer: Keras' path ends in `.../query/kernel` in an attention, else in `.../kernel`."""
    *_, around, name = weight.path.split("/")
    return f"{around}_{name}" if around in ("query", "key", "value", "attention_output") else name


def draw(rng, weight):
    name = our_name(weight)
    if name == "gamma":
        return 1.0 + normal(rng, weight.shape, 0.5, decimals=3)
    inputs = weight.shape[:1] if name in ("query_kernel", "key_kernel", "value_kernel") else weight.shape[:-1]
    spread = 1.0 / math.sqrt(math.prod(inputs)) if name.endswith("kernel") else 0.3
    return normal(rng, weight.shape, spread, decimals=3)


def case(rng, name, item, layer, inputs):
    """Output and gradients of a layer, as `generate.py` has them of the others."""
    layer.build(inputs.shape)
    for weight in layer.weights:
        weight.assign(draw(rng, weight))
    weights = {our_name(weight): weight for weight in layer.weights}
    x = tf.Variable(inputs)
    with tf.GradientTape() as tape:
        output = layer(x, training=False)
        upstream = normal(rng, output.shape)
        total = tf.reduce_sum(output * upstream)
    gradients = tape.gradient(total, [x] + [weight.value for weight in weights.values()])
    return {
        "name": name,
        "layer": item,
        "input": tensor(inputs),
        "parameters": {n: tensor(weight.numpy()) for n, weight in weights.items()},
        "output": tensor(output),
        "output_gradient": tensor(upstream),
        "input_gradient": tensor(gradients[0]),
        "parameter_gradients": {n: tensor(g) for n, g in zip(weights, gradients[1:])},
    }


def layers(rng):
    def of(name, item, layer, shape, spread=1.0):
        cases.append(case(rng, name, item, layer, normal(rng, shape, spread)))

    cases = []
    normalization = keras.layers.LayerNormalization
    item = {"layer_normalization": {}}
    of("layer_normalization_tokens", item, normalization(), TOKENS, 2.0)
    of("layer_normalization_vectors", item, normalization(), (3, 7), 0.1)
    of("layer_normalization_images", item, normalization(), (2, 3, 4, 5))
    arguments = {"epsilon": 1e-6, "center": False}
    of("layer_normalization_no_center", {"layer_normalization": arguments}, normalization(**arguments), TOKENS)
    arguments = {"epsilon": 0.1, "scale": False}
    of("layer_normalization_no_scale", {"layer_normalization": arguments}, normalization(**arguments), TOKENS)

    for name, arguments in {
        "plain": {"num_heads": 2, "key_dim": 3},
        "one_head": {"num_heads": 1, "key_dim": 4, "dropout": 0.5},
        "value_dim": {"num_heads": 3, "key_dim": 2, "value_dim": 4},
        "no_bias": {"num_heads": 2, "key_dim": 5, "use_bias": False},
    }.items():
        item = {"multi_head_attention": arguments}
        of(f"multi_head_attention_{name}", item, SelfAttention(**arguments), TOKENS)

    for kind in ("class_token", "position_embedding"):
        of(kind, {kind: {}}, Learned(kind), TOKENS)
    for keepdims in (False, True):
        item = {"global_average_pooling1d": {"keepdims": keepdims}}
        of(f"global_average_pooling1d_{keepdims}", item, keras.layers.GlobalAveragePooling1D(keepdims=keepdims), TOKENS)

    convolution = keras.layers.Conv2D(5, (2, 3), (2, 3))
    row = keras.Sequential([convolution, keras.layers.Reshape((-1, 5))])
    of("patch_embedding", {"patch_embedding": {"patch_size": [2, 3], "embed_dim": 5}}, row, (2, 6, 6, 2))
    return cases


def transformer(rng):
    """A small vision transformer from images to logits: the logits, and gradients of all weights."""
    inputs = keras.Input((8, 6, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, (4, 3), (4, 3))(x)
    x = keras.layers.Reshape((-1, 8))(x)
    x = Learned("class_token")(x)
    x = Learned("position_embedding")(x)
    for _ in range(2):
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + keras.layers.MultiHeadAttention(2, 4)(y, y)
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        y = keras.layers.Dense(16, activation="gelu")(y)
        x = x + keras.layers.Dense(8)(y)
    x = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x[:, 0]))
    block = {"transformer_block": {"embed_dim": 8, "num_heads": 2, "mlp_ratio": 2}}
    items = [
        {"rescaling": {"scale": 1 / 255}},
        {"patch_embedding": {"patch_size": [4, 3], "embed_dim": 8}},
        {"class_token": {}},
        {"position_embedding": {}},
        block,
        block,
        {"layer_normalization": {"epsilon": 1e-6}},
        {"first_token": {}},
        {"dense": {"units": 3}},
    ]
    for weight in model.weights:
        weight.assign(draw(rng, weight))
    images = rng.integers(0, 256, (2, 8, 6, 3))
    with tf.GradientTape() as tape:
        output = model(tf.constant(images, tf.float32), training=False)
        upstream = normal(rng, output.shape)
        total = tf.reduce_sum(output * upstream)
    gradients = tape.gradient(total, [weight.value for weight in model.weights])
    return {
        "layers": items,
        "images": tensor(images),
        "output": tensor(output),
        "output_gradient": tensor(upstream),
        "parameters": [
            {
                "name": our_name(weight),
                "value": tensor(weight.numpy()),
                "gradient": tensor(gradient),
            }
            for weight, gradient in zip(model.weights, gradients)
        ],
    }


def main():
    rng = np.random.default_rng(11)
    content = {
        "generator": "tests/parity/generate_attention.py",
        "layout": LAYOUT,
        "cases": layers(rng),
        "transformer": transformer(rng),
    }
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "attention.json", content, versions)


if __name__ == "__main__":
    main()
