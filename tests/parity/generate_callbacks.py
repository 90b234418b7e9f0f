"""Compute where Keras' ReduceLROnPlateau lowers the rate: `plateau.json`.

    .venv/bin/python tests/parity/generate_callbacks.py    # packages as for generate.py
"""

from pathlib import Path

from generate import number, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import tensorflow as tf


def plateau(values, **arguments):
    """The rate behind each epoch, from 0.1 on."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    callback = keras.callbacks.ReduceLROnPlateau(**arguments)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {callback.monitor: value})
        rates.append(number(model.optimizer.learning_rate.numpy()))
    return {"arguments": arguments, "values": values, "rates": rates}


def main():
    flat = [1.0, 0.9, 0.9, 0.9, 0.9, 0.89995, 0.9, 0.8, 0.8, 0.81, 0.82, 0.8, 0.8, 0.8]
    rising = [round(0.1 + 0.1 * min(epoch, 3) - 0.01 * (epoch % 3), 2) for epoch in range(14)]
    cases = [
        plateau(flat, monitor="val_loss", patience=2),
        plateau(flat, monitor="val_loss", patience=1, factor=0.5, cooldown=2),
        plateau(flat, monitor="val_loss", patience=0, factor=0.5, min_lr=0.01),
        plateau(flat, monitor="val_loss", patience=2, factor=0.3, min_delta=0.0),
        plateau(flat, monitor="val_loss", patience=1, factor=0.2, cooldown=1, min_lr=0.003),
        plateau(rising, monitor="val_accuracy", patience=2, factor=0.5, mode="max"),
        plateau(flat, monitor="val_accuracy", patience=3, factor=0.5, mode="min"),
    ]
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "plateau.json", {"cases": cases}, versions)


if __name__ == "__main__":
    main()
