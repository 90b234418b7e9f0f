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
    excluded = theirs.pop("exclude_from_weight_decay", [])
    lookahead = theirs.pop("lookahead", None)
    if theirs.get("rms_rate") == 0:
        theirs["rms_rate"] = None
    starts = {name: normal(rng, shape) for name, shape in parameters.items()}
    gradients = {name: normal(rng, (STEPS, *shape), 0.5) for name, shape in parameters.items()}
    running = getattr(keras.optimizers, kind)(**theirs)
    variables = [keras.Variable(start, name=name) for name, start in starts.items()]
    running.exclude_from_weight_decay(var_names=[pattern.strip("*.") for pattern in excluded])
    after = {name: [] for name in parameters}
    slow = [variable.numpy().copy() for variable in variables]
    for step in range(STEPS):
        running.apply([tf.constant(gradients[name][step]) for name in parameters], variables)
        # Keras has no such wrapper: the paper's two lines.
        if lookahead and (step + 1) % lookahead["sync_period"] == 0:
            for at, variable in enumerate(variables):
                slow[at] += np.float32(lookahead["slow_step_size"]) * (variable.numpy() - slow[at])
                variable.assign(slow[at])
        for of, variable in zip(parameters, variables):
            after[of].append(variable.numpy().copy())
    running.finalize_variable_values(variables)
    return {
        "name": name,
        "optimizer": {kind.lower(): arguments},
        "parameters": {
            name: {
                "start": tensor(starts[name]),
                "gradients": tensor(gradients[name]),
                "after": tensor(np.stack(after[name])),
                "finished": tensor(variable.numpy()),
            }
            for name, variable in zip(parameters, variables)
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
    ] + [
        # A generator of their own, so that those above stay as they are.
        optimizer(other, name, kind, arguments, vectors)
        for other in [np.random.default_rng(23)]
        for name, kind, arguments in [
            ("rmsprop", "RMSprop", {}),
            ("rmsprop, centered", "RMSprop", {"learning_rate": falling, "rho": 0.8, "momentum": 0.7, "epsilon": 1e-3, "centered": True}),
            ("adagrad", "Adagrad", {}),
            ("adagrad, large steps", "Adagrad", {"learning_rate": falling, "initial_accumulator_value": 0.5, "weight_decay": 0.1}),
            ("lion", "Lion", {}),
            ("lion, decaying", "Lion", {"learning_rate": falling, "beta_1": 0.8, "beta_2": 0.9, "weight_decay": 0.3}),
            ("clipnorm", "SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 0.9}),
            ("global_clipnorm", "Adam", {"learning_rate": 0.1, "global_clipnorm": 1.5}),
            ("clipvalue", "RMSprop", {"learning_rate": 0.01, "clipvalue": 0.3}),
            ("decay without biases", "SGD", {"learning_rate": 0.1, "weight_decay": 0.5, "exclude_from_weight_decay": ["*.bias"]}),
            ("accumulation", "Adam", {"learning_rate": falling, "gradient_accumulation_steps": 3, "clipnorm": 0.4, "weight_decay": 0.1}),
            ("averages", "SGD", {"learning_rate": 0.1, "momentum": 0.5, "use_ema": True, "ema_momentum": 0.8}),
            ("averages, overwriting", "Adam", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4}),
            ("averages of accumulated", "SGD", {"learning_rate": 0.1, "gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2}),
            ("lookahead", "Adam", {"learning_rate": 0.1, "lookahead": {"sync_period": 3, "slow_step_size": 0.4}}),
        ]
    ]


def schedules():
    """The rates of some steps."""
    kinds = {
        "cosine_decay": keras.optimizers.schedules.CosineDecay,
        "cosine_decay_restarts": keras.optimizers.schedules.CosineDecayRestarts,
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
        case("cosine_decay", initial_learning_rate=0.3, decay_steps=30, warmup_target=0.1, warmup_steps=20),
        case("cosine_decay_restarts", initial_learning_rate=0.1, first_decay_steps=10),
        case("cosine_decay_restarts", initial_learning_rate=0.1, first_decay_steps=10, t_mul=1.0, m_mul=0.8, alpha=0.2),
        case("cosine_decay_restarts", initial_learning_rate=0.1, first_decay_steps=8, t_mul=1.5, m_mul=0.5, alpha=0.1),
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
