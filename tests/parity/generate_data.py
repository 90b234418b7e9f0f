"""Compute what Keras and tf.data make of class weights, blended labels, normalization and shuffling: `data.json`.

    .venv/bin/python tests/parity/generate_data.py    # packages as for generate.py
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from generate import normal, number, tensor, write


def weighted_loss(rng):
    """The loss of a batch under `class_weight`, as `Model.evaluate` takes `sample_weight`: the sum over the batch's size."""
    logits, labels = normal(rng, (6, 3), 2.0), rng.integers(0, 3, 6)
    weights = np.array([0.5, 1.0, 3.0], np.float32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {
        "logits": tensor(logits),
        "labels": [int(label) for label in labels],
        "class_weights": tensor(weights),
        "loss": number(loss(labels, logits, sample_weight=weights[labels])),
    }


def blended_loss(rng, from_logits):
    """The loss against shares of several classes."""
    outputs = normal(rng, (5, 4), 2.0)
    if not from_logits:
        outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    shares = rng.dirichlet(np.ones(4), 5).astype(np.float32)
    loss = keras.losses.CategoricalCrossentropy(from_logits=from_logits)
    return {
        "from_logits": from_logits,
        "outputs": tensor(outputs),
        "shares": tensor(shares),
        "loss": number(loss(shares, outputs)),
    }


def normalization(rng, shape):
    """What `Normalization` finds in data, and what it makes of them."""
    images = rng.integers(0, 256, shape).astype(np.uint8)
    layer = keras.layers.Normalization()
    layer.adapt(images.astype(np.float32))
    return {
        "images": tensor(images),
        "mean": tensor(np.ravel(layer.mean)),
        "variance": tensor(np.ravel(layer.variance)),
        "output": tensor(layer(images.astype(np.float32))),
    }


def shuffle(elements, buffer_size, trials):
    """How often, of `trials`, tf.data's `shuffle` puts each element at each position."""
    counts = np.zeros((elements, elements), int)
    numbers = tf.data.Dataset.range(elements).shuffle(buffer_size, seed=1, reshuffle_each_iteration=True)
    for epoch in numbers.batch(elements).repeat(trials).as_numpy_iterator():
        counts[epoch, np.arange(elements)] += 1
    return {"elements": elements, "buffer_size": buffer_size, "trials": trials, "counts": tensor(counts)}


def main():
    rng = np.random.default_rng(11)
    content = {
        "weighted_loss": weighted_loss(rng),
        "blended_losses": [blended_loss(rng, True), blended_loss(rng, False)],
        "normalization": [normalization(rng, (7, 4, 3, 3)), normalization(rng, (5, 2, 2, 1))],
        "shuffle": [shuffle(12, 4, 20000), shuffle(6, 20, 20000)],
    }
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "data.json", content, versions)


if __name__ == "__main__":
    main()
