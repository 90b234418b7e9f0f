"""Compute what Keras, scikit-learn and SciPy give for predicted numbers: `regression.json`.

    .venv/bin/python tests/parity/generate_regression.py    # packages as for generate.py, and SciPy

Losses with their gradients and metrics over several batches are Keras', figures of whole samples scikit-learn's, p-values of
Wilcoxon's signed-rank test SciPy's.
"""

from pathlib import Path

from generate import normal, number, tensor, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import scipy
import sklearn
import tensorflow as tf
from scipy.stats import wilcoxon
from sklearn import metrics

LOSSES = {
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
}
METRICS = {
    "mean_absolute_error": (keras.metrics.MeanAbsoluteError, metrics.mean_absolute_error),
    "mean_squared_error": (keras.metrics.MeanSquaredError, metrics.mean_squared_error),
    "root_mean_squared_error": (keras.metrics.RootMeanSquaredError, metrics.root_mean_squared_error),
    "r2_score": (keras.metrics.R2Score, metrics.r2_score),
}


def loss(rng, kind, examples, scale):
    """The mean loss of some examples and its gradient; the first is predicted exactly."""
    targets = normal(rng, (examples, 1), scale)
    outputs = (targets + normal(rng, (examples, 1), scale)).astype(np.float32)
    outputs[0] = targets[0]
    variable = tf.Variable(outputs)
    with tf.GradientTape() as tape:
        value = LOSSES[kind]()(targets, variable)
    return {
        "loss": {kind: {}},
        "outputs": tensor(outputs),
        "targets": tensor(targets[:, 0]),
        "value": number(value),
        "gradient": tensor(tape.gradient(value, variable)),
    }


def sample(rng, batches, shift, scale, noise):
    """Figures of examples that come in batches, and of all of them at once."""
    targets = [(normal(rng, (size,), scale) + np.float32(shift)).astype(np.float32) for size in batches]
    predicted = [(batch + normal(rng, batch.shape, noise)).astype(np.float32) for batch in targets]
    figures = {}
    for name, (of_keras, of_sklearn) in METRICS.items():
        running = of_keras()
        for batch, said in zip(targets, predicted):
            running.update_state(batch[:, None], said[:, None])
        exact = of_sklearn(np.concatenate(targets).astype(np.float64), np.concatenate(predicted).astype(np.float64))
        figures[name] = {"keras": number(running.result()), "sklearn": float(exact)}
    return {
        "targets": [tensor(batch)["data"] for batch in targets],
        "predicted": [tensor(batch)["data"] for batch in predicted],
        "figures": figures,
    }


def signed_ranks(rng, count, shift, tied):
    """The p-value of the differences between two models; exact for few differences without ties."""
    differences = normal(rng, (count,), 1.0, decimals=1 if tied else 7).astype(np.float64) + shift
    if tied:
        differences = differences.round(1)
    nonzero = np.abs(differences[differences != 0])
    method = "exact" if len(nonzero) <= 50 else "asymptotic"
    assert method == "asymptotic" or len(np.unique(nonzero)) == len(nonzero) == count
    return {"differences": differences.tolist(), "p": float(wilcoxon(differences, method=method).pvalue)}


def main():
    rng = np.random.default_rng(41)
    losses = [loss(rng, kind, examples, scale) for kind in LOSSES for examples, scale in [(1, 1.0), (7, 1.0), (32, 300.0)]]
    samples = [
        sample(rng, [5], 0.0, 1.0, 0.5),
        sample(rng, [8, 8, 3], 10.0, 4.0, 1.0),
        sample(rng, [64, 64, 1], 0.0, 1.0, 2.0),
        sample(rng, [32, 32], 250_000.0, 80_000.0, 20_000.0),
    ]
    ranks = [signed_ranks(rng, count, shift, False) for count, shift in [(1, 0), (5, 2), (9, 0.1), (20, 0.5), (50, 0.2)]]
    ranks += [signed_ranks(rng, count, shift, False) for count, shift in [(60, 0.1), (200, 0.3), (1000, 0.0)]]
    ranks += [signed_ranks(rng, count, shift, True) for count, shift in [(80, 0.2), (300, 0.0), (500, 0.2)]]
    versions = {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
    }
    content = {"losses": losses, "samples": samples, "signed_ranks": ranks}
    write(Path(__file__).parent / "regression.json", content, versions)


if __name__ == "__main__":
    main()
