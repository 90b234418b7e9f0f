#!/usr/bin/env python3
"""Write significance.json: p-values of McNemar's exact test, as scipy's binomtest has them.

    python3 tests/parity/generate_significance.py

Needs Python 3.11 or newer and SciPy; the file names the versions that made it. Nothing in here is random.
"""

import json
import platform
from pathlib import Path

import numpy
import scipy
from scipy.stats import binomtest

# Examples that only the first model has right, and only the second.
PAIRS = [
    (0, 0), (0, 1), (1, 0), (1, 1), (0, 5), (1, 4), (2, 3), (0, 6), (1, 9), (5, 15), (15, 5), (8, 8), (12, 13),
    (3, 40), (59, 121), (101, 59), (232, 412), (400, 450), (500, 500), (0, 1000), (7, 900), (1200, 1301),
    (4000, 4321), (9000, 9001), (48_000, 50_000), (123_456, 123_000),
]


def main():
    cases = [
        {"only_first": b, "only_second": c, "p": float(binomtest(b, b + c).pvalue) if b + c else 1.0}
        for b, c in PAIRS
    ]
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    versions = json.dumps(
        {"scipy": scipy.__version__, "python": platform.python_version(), "numpy": numpy.__version__}
    )
    text = (
        f'{{\n  "generator": "tests/parity/generate_significance.py",\n  "versions": {versions},\n'
        f'  "cases": [\n{lines}\n  ]\n}}\n'
    )
    json.loads(text)
    Path(__file__).with_name("significance.json").write_text(text)


if __name__ == "__main__":
    main()
