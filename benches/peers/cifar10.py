"""What all peers need: the CIFAR-10 binaries as arrays, and how many cores there are to use."""

import os
from pathlib import Path

import numpy as np


def read_cifar10(directory):
    """`((images, labels), (images, labels))` of training and test; uint8 images [n, height, width, channels]."""
    directory = Path(directory) / "cifar-10-batches-bin"

    def read(names):
        files = [np.fromfile(directory / name, np.uint8) for name in names]
        records = np.concatenate(files).reshape(-1, 1 + 3 * 32 * 32)
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images), records[:, 0].copy()

    return read([f"data_batch_{i}.bin" for i in range(1, 6)]), read(["test_batch.bin"])


def usable_cores():
    """The cores this process may run on, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
