"""What both input pipelines share: the workloads, the arguments and the clock."""

import argparse
import json
import time
from pathlib import Path

from cifar10 import usable_cores

BATCH = {"memory": 256, "jpeg": 64, "disk": 64}
SIZE = 224


def argument_parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("workload", metavar="WORKLOAD", choices=BATCH, help="memory, jpeg or disk")
    parser.add_argument("data", metavar="DATA_DIR", type=Path)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--epochs", type=int, default=3)
    return parser


def measure(batches, images, epochs):
    """Takes all batches, `epochs` times, and does nothing with them."""
    for epoch in range(1, epochs + 1):
        start, taken = time.perf_counter(), 0
        for _, labels in batches:
            taken += len(labels)
        seconds = time.perf_counter() - start
        assert taken == images, f"{taken} of {images} images came"
        print(json.dumps({"epoch": epoch, "images_per_second": images / seconds, "seconds": seconds}), flush=True)
