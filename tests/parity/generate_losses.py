"""Compute what Keras' losses give, with their gradients: `losses.json`.

    .venv/bin/python tests/parity/generate_losses.py    # packages as for generate.py
"""

from pathlib import Path

from generate import normal, number, tensor, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import tensorflow as tf

KINDS = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "categorical_focal_crossentropy": keras.losses.CategoricalFocalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
}


def loss(rng, kind, units=5, from_logits=True, shared=False, weighted=False, **arguments):
    """The mean loss of six examples and its gradient; of one class each, or `shared` among several."""
    classes = max(units, 2)
    outputs = normal(rng, (6, units), 2.0)
    if not from_logits:
        # Shares that don't add up to 1, too, where Keras normalizes them.
        outputs = keras.ops.convert_to_numpy(keras.ops.sigmoid(outputs))
    labels = rng.integers(0, classes, 6)
    shares = rng.dirichlet(np.ones(classes), 6).astype(np.float32) if shared else np.eye(classes, dtype=np.float32)[labels]
    weights = rng.uniform(0.5, 2, 6).astype(np.float32).round(2) if weighted else None
    if kind == "sparse_categorical_crossentropy":
        wanted = labels
    else:
        wanted = shares[:, 1:] if units == 1 else shares
    variable = tf.Variable(outputs)
    with tf.GradientTape() as tape:
        value = KINDS[kind](from_logits=from_logits, **arguments)(wanted, variable, sample_weight=weights)
    return {
        "loss": {kind: arguments},
        "from_logits": from_logits,
        "outputs": tensor(outputs),
        "labels": [int(label) for label in labels],
        "shares": tensor(shares) if shared else None,
        "weights": tensor(weights) if weighted else None,
        "value": number(value),
        "gradient": tensor(tape.gradient(value, variable)),
    }


def main():
    rng = np.random.default_rng(29)
    cases = []
    for kind in KINDS:
        for from_logits in [True, False]:
            cases.append(loss(rng, kind, from_logits=from_logits))
            cases.append(loss(rng, kind, from_logits=from_logits, weighted=True))
            if kind != "sparse_categorical_crossentropy":
                cases.append(loss(rng, kind, from_logits=from_logits, shared=True, label_smoothing=0.2))
    for from_logits in [True, False]:
        cases.append(loss(rng, "categorical_focal_crossentropy", from_logits=from_logits, alpha=0.7, gamma=0.5))
        cases.append(loss(rng, "binary_crossentropy", units=1, from_logits=from_logits))
        cases.append(loss(rng, "binary_crossentropy", units=1, from_logits=from_logits, weighted=True, label_smoothing=0.1))
        cases.append(loss(rng, "binary_crossentropy", units=1, from_logits=from_logits, shared=True))
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "losses.json", {"cases": cases}, versions)


if __name__ == "__main__":
    main()
