"""How many images per second tf.data delivers, without a model.

    python benches/peers/input_tensorflow.py memory DATA_DIR --threads 2 --epochs 5 --variant batched
    python benches/peers/input_tensorflow.py jpeg JPEGS --threads 2 --epochs 5

`memory` shuffles CIFAR-10, which is in DATA_DIR as `cifar-10-batches-bin`. `jpeg` reads, decodes, resizes and changes
the images of `jpegs.py`. `disk` decodes and resizes them in the first epoch and caches them as
`JPEGS/decoded-tensorflow.*`. One line of JSON per epoch.

There are two ways to write `memory`: `plain` shuffles the examples, `batched` permutes their numbers and gathers a
batch by one operation.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
from cifar10 import read_cifar10  # noqa: E402
from inputs import BATCH, SIZE, argument_parser, measure  # noqa: E402


def memory(directory, variant):
    (images, labels), _ = read_cifar10(directory)
    count = len(images)
    if variant == "plain":
        dataset = tf.data.Dataset.from_tensor_slices((images, labels))
        return dataset.cache().shuffle(count).batch(BATCH["memory"]), count
    images, labels = tf.constant(images), tf.constant(labels)

    def numbers(_):
        return tf.data.Dataset.from_tensor_slices(tf.random.shuffle(tf.range(count))).batch(BATCH["memory"])

    def gather(numbers):
        return tf.gather(images, numbers), tf.gather(labels, numbers)

    # The one element of the outer dataset stands for the epoch: each has its own permutation.
    dataset = tf.data.Dataset.range(1).flat_map(numbers).map(gather, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset, count


def files(directory):
    """The paths and labels of the training images."""
    classes = sorted(path.name for path in (directory / "train").iterdir())
    paths = sorted(str(path) for path in directory.glob("train/*/*.jpg"))
    labels = [classes.index(Path(path).parent.name) for path in paths]
    return tf.data.Dataset.from_tensor_slices((paths, labels)), len(paths)


def resized(path):
    return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (SIZE, SIZE))


def jpeg(directory):
    def load(path, label):
        image = tf.image.random_flip_left_right(resized(path))
        image = tf.image.random_brightness(image, 0.2 * 255)
        image = tf.image.random_contrast(image, 0.8, 1.2)
        return tf.clip_by_value(image, 0, 255), label

    dataset, count = files(directory)
    # They are shuffled anyway, so that whichever is ready may come first.
    dataset = dataset.shuffle(count).map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
    return dataset.batch(BATCH["jpeg"]), count


def disk(directory):
    def load(path, label):
        return tf.cast(resized(path), tf.uint8), label

    dataset, count = files(directory)
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE).cache(str(directory / "decoded-tensorflow"))
    return dataset.shuffle(1000).batch(BATCH["disk"]), count


def main():
    parser = argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=["plain", "batched"], default="plain")
    arguments = parser.parse_args()
    if arguments.workload != "memory" and arguments.variant != "plain":
        parser.error(f"{arguments.workload} is always plain")
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    tf.random.set_seed(0)

    if arguments.workload == "memory":
        dataset, count = memory(arguments.data, arguments.variant)
    else:
        dataset, count = {"jpeg": jpeg, "disk": disk}[arguments.workload](arguments.data)
    measure(dataset.prefetch(tf.data.AUTOTUNE), count, arguments.epochs)


if __name__ == "__main__":
    main()
