"""Compute what Keras' optimizers, schedules and smoothed losses give, step by step: `optimizers.json`.

    .venv/bin/python tests/parity/generate_optimizers.py    # packages as for generate.py
"""

from pathlib import Path

from generate import normal, number, tensor, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import tensorflow as tf

STEPS = 10


def optimizer(rng, name, kind, arguments, parameters):
    """Parameters after each of ten steps. A rate that is a mapping is a schedule."""
    schedules = {"polynomial_decay": keras.optimizers.schedules.PolynomialDecay}
    theirs = dict(arguments)
    if isinstance(theirs.get("learning_rate"), dict):
        ((schedule, own),) = theirs["learning_rate"].items()
        theirs["learning_rate"] = schedules[schedule](**own)
    if theirs.get("rms_rate") == 0:
        theirs["rms_rate"] = None
    starts = {name: normal(rng, shape) for name, shape in parameters.items()}
    gradients = {name: normal(rng, (STEPS, *shape), 0.5) for name, shape in parameters.items()}
    running = getattr(keras.optimizers, kind)(**theirs)
    variables = [keras.Variable(start, name=name) for name, start in starts.items()]
    after = {name: [] for name in parameters}
    for step in range(STEPS):
        running.apply([tf.constant(gradients[name][step]) for name in parameters], variables)
        for of, variable in zip(parameters, variables):
            after[of].append(variable.numpy().copy())
    return {
        "name": name,
        "optimizer": {kind.lower(): arguments},
        "parameters": {
            name: {
                "start": tensor(starts[name]),
                "gradients": tensor(gradients[name]),
                "after": tensor(np.stack(after[name])),
            }
            for name in parameters
        },
    }


def optimizers(rng):
    vectors = {"dense.bias": (6,), "dense.kernel": (3, 4)}
    kernels = {"conv2d.kernel": (4, 9), "conv2d_1.kernel": (8, 3), "conv2d.bias": (4,), "dense.kernel": (5, 4)}
    falling = {"polynomial_decay": {"initial_learning_rate": 0.1, "decay_steps": 8, "end_learning_rate": 0.01}}
    plain = {"weight_decay": 0, "adam_weight_decay": 0, "rms_rate": 0, "learning_rate": 0.1}
    return [
        optimizer(rng, "sgd", "SGD", {}, vectors),
        optimizer(rng, "sgd with momentum", "SGD", {"learning_rate": 0.1, "momentum": 0.9}, vectors),
        optimizer(rng, "sgd, nesterov, falling", "SGD", {"learning_rate": falling, "momentum": 0.8, "nesterov": True}, vectors),
        optimizer(rng, "adamw", "AdamW", {}, vectors),
        optimizer(rng, "adamw, falling", "AdamW", {"learning_rate": falling, "weight_decay": 0.1, "beta_2": 0.95}, vectors),
        optimizer(rng, "muon", "Muon", {}, kernels),
        optimizer(rng, "muon, large steps", "Muon", {**plain, "momentum": 0.6, "adam_lr_ratio": 0.05, "exclude_layers": ["dense"]}, kernels),
        optimizer(rng, "muon, no look ahead", "Muon", {"learning_rate": falling, "nesterov": False, "ns_steps": 3, "adam_beta_2": 0.9, "weight_decay": 0.2, "adam_weight_decay": 0.1}, kernels),
    ]


def schedules():
    """The rates of some steps."""
    kinds = {
        "cosine_decay": keras.optimizers.schedules.CosineDecay,
        "exponential_decay": keras.optimizers.schedules.ExponentialDecay,
        "polynomial_decay": keras.optimizers.schedules.PolynomialDecay,
        "piecewise_constant_decay": keras.optimizers.schedules.PiecewiseConstantDecay,
    }
    at = [0, 1, 2, 5, 9, 10, 11, 15, 19, 20, 21, 25, 29, 30, 31, 40, 60, 100]

    def case(kind, **arguments):
        schedule = kinds[kind](**arguments)
        rates = [number(schedule(step)) for step in at]
        return {"schedule": {kind: arguments}, "steps": at, "rates": rates}

    return [
        case("cosine_decay", initial_learning_rate=0.1, decay_steps=30),
        case("cosine_decay", initial_learning_rate=0.1, decay_steps=30, alpha=0.2),
        case("cosine_decay", initial_learning_rate=0.0, decay_steps=30, alpha=0.1, warmup_target=0.5, warmup_steps=10),
        case("exponential_decay", initial_learning_rate=0.1, decay_steps=10, decay_rate=0.5),
        case("exponential_decay", initial_learning_rate=0.1, decay_steps=10, decay_rate=0.5, staircase=True),
        case("polynomial_decay", initial_learning_rate=0.1, decay_steps=30),
        case("polynomial_decay", initial_learning_rate=0.1, decay_steps=30, end_learning_rate=0.0, power=2.0),
        case("polynomial_decay", initial_learning_rate=0.1, decay_steps=10, power=0.5, cycle=True),
        case("piecewise_constant_decay", boundaries=[10, 30], values=[0.1, 0.01, 0.001]),
    ]


def smoothed_loss(rng, smoothing, from_logits, shared):
    """The loss and its gradient with smoothed labels; of one class, or of several by their shares."""
    outputs = normal(rng, (6, 5), 2.0)
    if not from_logits:
        outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    labels = rng.integers(0, 5, 6)
    shares = rng.dirichlet(np.ones(5), 6).astype(np.float32) if shared else np.eye(5, dtype=np.float32)[labels]
    loss = keras.losses.CategoricalCrossentropy(from_logits=from_logits, label_smoothing=smoothing)
    variable = tf.Variable(outputs)
    with tf.GradientTape() as tape:
        value = loss(shares, variable)
    return {
        "label_smoothing": smoothing,
        "from_logits": from_logits,
        "outputs": tensor(outputs),
        "labels": [int(label) for label in labels],
        "shares": tensor(shares) if shared else None,
        "loss": number(value),
        "gradient": tensor(tape.gradient(value, variable)),
    }


def main():
    rng = np.random.default_rng(17)
    content = {
        "optimizers": optimizers(rng),
        "schedules": schedules(),
        "smoothed_losses": [
            smoothed_loss(rng, 0.1, True, False),
            smoothed_loss(rng, 0.2, True, True),
            smoothed_loss(rng, 0.3, False, False),
        ],
    }
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "optimizers.json", content, versions)


if __name__ == "__main__":
    main()
