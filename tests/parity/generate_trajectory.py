"""Train the tutorial's network with Keras for 20 steps: `trajectory.json`.

    .venv/bin/python tests/parity/generate_trajectory.py    # packages as for generate.py

The layers are the tutorial's, with fewer filters so that the weights are few, and without dropout, whose masks are each
program's own. The images are made by a generator that both sides know, so that the file need not hold them.
"""

from pathlib import Path

from generate import number, tensor, write  # first, for it sets up TensorFlow

import keras
import numpy as np
import tensorflow as tf

STEPS, BATCH, CLASSES = 20, 16, 10


def numbers(count, state=1):
    """Bytes of a linear congruential generator, as ANSI C had it."""
    found = np.empty(count, np.uint8)
    for at in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        found[at] = state >> 16 & 255
    return found


def main():
    keras.utils.set_random_seed(7)
    layers = keras.layers
    conv = dict(kernel_size=3, padding="same", activation="relu")
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, **conv, name="conv2d"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, **conv, name="conv2d_1"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, **conv, name="conv2d_2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu", name="dense"),
            layers.Dense(CLASSES, name="dense_1"),
        ]
    )
    parameters = {
        f"{layer.name}.{variable.name}": tensor(variable.numpy()) for layer in model.layers for variable in layer.weights
    }
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam()
    pixels = numbers(STEPS * BATCH * 32 * 32 * 3).reshape(STEPS, BATCH, 32, 32, 3).astype(np.float32)
    # A class is a brightness, so that there is something to learn.
    labels = np.arange(STEPS * BATCH).reshape(STEPS, BATCH) * 7 % CLASSES
    images = np.floor(pixels * (labels[..., None, None, None] + 1) / CLASSES)
    losses = []
    for step in range(STEPS):
        with tf.GradientTape() as tape:
            value = loss(labels[step], model(images[step], training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        losses.append(number(value))
    content = {"steps": STEPS, "batch": BATCH, "parameters": parameters, "losses": losses}
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    write(Path(__file__).parent / "trajectory.json", content, versions)
    print(losses)


if __name__ == "__main__":
    main()
