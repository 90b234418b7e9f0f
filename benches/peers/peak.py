"""How fast libtorch computes on this machine where memory doesn't matter: what no network is faster than.

    python benches/peers/peak.py --threads 2

One line of JSON per operation and precision, with the median of its repetitions in GFLOP/s. Two libraries do the work:
MKL multiplies matrices of float32, and on AMD's processors with no more than AVX2; oneDNN does the convolutions, and
bfloat16. The convolution is of size 3 with 256 channels.
"""

import argparse
import json
import statistics
import time

import torch
from cifar10 import usable_cores
from torch.nn.functional import conv2d


def multiplication(size, precision):
    """What to call, and how many floating-point operations that is."""
    a, b = (torch.randn(size, size).to(precision) for _ in range(2))
    out = torch.empty(size, size, dtype=precision)
    return lambda: torch.mm(a, b, out=out), 2 * size**3


def convolution(channels, precision, images=16, side=32):
    x, weight = torch.randn(images, channels, side, side), torch.randn(channels, channels, 3, 3)
    x, weight = (tensor.to(precision, memory_format=torch.channels_last) for tensor in (x, weight))
    return lambda: conv2d(x, weight, padding=1), 2 * 9 * channels**2 * images * side**2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seconds", type=float, default=1.0, help="for each of them")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for precision in (torch.float32, torch.bfloat16):
        for name, (compute, operations) in {
            "mm_1024": multiplication(1024, precision),
            "mm_2048": multiplication(2048, precision),
            "convolution": convolution(256, precision),
        }.items():
            with torch.inference_mode():
                compute()
                times, start = [], time.perf_counter()
                while time.perf_counter() - start < arguments.seconds or len(times) < 3:
                    begin = time.perf_counter()
                    compute()
                    times.append(time.perf_counter() - begin)
            gflops = operations / statistics.median(times) / 1e9
            row = {"operation": name, "precision": str(precision).removeprefix("torch."), "gflops": gflops}
            print(json.dumps(row))


if __name__ == "__main__":
    main()
