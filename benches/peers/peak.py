"""How fast libtorch multiplies matrices on this machine: what no network is faster than.

    python benches/peers/peak.py --threads 2

One line of JSON per size and precision, with the median over a second of multiplications in GFLOP/s.
"""

import argparse
import json
import statistics
import time

import torch
from cifar10 import usable_cores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for precision in (torch.float32, torch.bfloat16):
        for size in (1024, 2048):
            a, b = (torch.randn(size, size).to(precision) for _ in range(2))
            out = torch.mm(a, b)
            times, start = [], time.perf_counter()
            while time.perf_counter() - start < arguments.seconds or len(times) < 3:
                begin = time.perf_counter()
                torch.mm(a, b, out=out)
                times.append(time.perf_counter() - begin)
            gflops = 2 * size**3 / statistics.median(times) / 1e9
            print(json.dumps({"precision": str(precision).removeprefix("torch."), "size": size, "gflops": gflops}))


if __name__ == "__main__":
    main()
