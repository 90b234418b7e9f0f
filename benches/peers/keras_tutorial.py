"""The tutorial's network in Keras 3 on TensorFlow, fed by tf.data: the program that a pipeline file replaces.

    python benches/peers/keras_tutorial.py DATA_DIR --epochs 5 --threads 2
    python benches/peers/keras_tutorial.py DATA_DIR --early-stopping       # up to 50 epochs, patience 3
    python benches/peers/keras_tutorial.py DATA_DIR --until 0.71           # up to that validation accuracy

DATA_DIR holds `cifar-10-batches-bin`. One line of JSON per epoch; `seconds` and `images_per_second` are of training
alone. The first epoch also traces the graph and fills the cache. With `--early-stopping` a last line has the test
figures of the restored weights, with `--until` those of the last ones.
"""

import argparse
import json
import os
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from cifar10 import read_cifar10, usable_cores  # noqa: E402
from keras import layers  # noqa: E402

BATCH = 256
SHUFFLE = 1000


def build():
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )


class JsonLines(keras.callbacks.Callback):
    """Prints an epoch's figures; the clock stops where validation begins."""

    def __init__(self, images):
        super().__init__()
        self.images = images
        self.start = self.seconds = None

    def on_train_begin(self, logs=None):
        print(json.dumps({"parameters": self.model.count_params(), "first_step": time.time()}), flush=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.start, self.seconds = time.perf_counter(), None

    def on_test_begin(self, logs=None):
        if self.start is not None and self.seconds is None:
            self.seconds = time.perf_counter() - self.start

    def on_epoch_end(self, epoch, logs=None):
        row = {
            "epoch": epoch + 1,
            **{name: logs[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")},
            "seconds": self.seconds,
            "images_per_second": self.images / self.seconds,
        }
        print(json.dumps(row), flush=True)


class Until(keras.callbacks.Callback):
    """Ends training where the validation accuracy is reached."""

    def __init__(self, accuracy):
        super().__init__()
        self.accuracy = accuracy

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] >= self.accuracy:
            self.model.stop_training = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA_DIR")
    parser.add_argument("--epochs", type=int, help="default 5; 50 with the last two")
    parser.add_argument("--take", type=int, metavar="N", help="N images in an epoch")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seed", type=int, default=0)
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--early-stopping", action="store_true")
    ends.add_argument("--until", type=float, metavar="ACCURACY")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    keras.utils.set_random_seed(arguments.seed)

    train_arrays, test_arrays = read_cifar10(arguments.data)
    train = tf.data.Dataset.from_tensor_slices(train_arrays)
    train = train.cache().shuffle(SHUFFLE)
    count = len(train_arrays[0])
    if arguments.take:
        train, count = train.take(arguments.take), arguments.take
    train = train.batch(BATCH).prefetch(tf.data.AUTOTUNE)
    test = tf.data.Dataset.from_tensor_slices(test_arrays).cache().batch(BATCH).prefetch(tf.data.AUTOTUNE)

    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    callbacks = [JsonLines(count)]
    if arguments.early_stopping:
        callbacks.append(keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True))
    if arguments.until:
        callbacks.append(Until(arguments.until))
    to_the_end = arguments.early_stopping or arguments.until
    epochs = arguments.epochs or (50 if to_the_end else 5)
    model.fit(train, validation_data=test, epochs=epochs, callbacks=callbacks, verbose=0)
    if to_the_end:
        figures = model.evaluate(test, verbose=0, return_dict=True)
        print(json.dumps({f"test_{name}": figures[name] for name in ("loss", "accuracy")}), flush=True)


if __name__ == "__main__":
    main()
