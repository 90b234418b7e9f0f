"""Makes digits.bin.gz from the copy of the data that scikit-learn ships.

    python3 assets/digits/make.py            # needs scikit-learn installed, any version
    python3 assets/digits/make.py digits.csv.gz

What is written is described in README.md. The digests pin what goes in and what comes out; the compressed
bytes may differ between versions of zlib.
"""

import gzip
import hashlib
import importlib.util
import pathlib
import sys
from collections import defaultdict

SOURCE_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
RESULT_SHA256 = "3e678ad1659e5b6de2ced9c28eb24891027bf85dcd9b312ae813059af41a1547"
TEST_EXAMPLES_PER_CLASS = 36  # a fifth of 1,797, the same number of every digit


def source_file() -> pathlib.Path:
    if len(sys.argv) > 1:
        return pathlib.Path(sys.argv[1])
    spec = importlib.util.find_spec("sklearn")
    if spec is None:
        sys.exit("scikit-learn isn't installed: install it, or name its digits.csv.gz")
    return pathlib.Path(spec.submodule_search_locations[0], "datasets/data/digits.csv.gz")


def check(what: str, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        sys.exit(f"{what} has SHA-256 {found}, not {expected}")


def choose_test(labels: list[int]) -> set[int]:
    """The examples of every class whose index has the lowest digests: a shuffle that no library can change."""
    by_class = defaultdict(list)
    for index, label in enumerate(labels):
        by_class[label].append(index)
    chosen = set()
    for indices in by_class.values():
        indices.sort(key=lambda index: hashlib.sha256(f"digits {index}".encode()).digest())
        chosen.update(indices[:TEST_EXAMPLES_PER_CLASS])
    return chosen


text = gzip.decompress(source_file().read_bytes())
check("the source", text, SOURCE_SHA256)
rows = [[int(value) for value in line.split(",")] for line in text.decode().split()]
test = choose_test([row[64] for row in rows])
records = b"".join(bytes([index in test, row[64], *row[:64]]) for index, row in enumerate(rows))
check("the result", records, RESULT_SHA256)

target = pathlib.Path(__file__).with_name("digits.bin.gz")
target.write_bytes(gzip.compress(records, 9, mtime=0))
print(f"{target}: {len(rows)} examples, {len(test)} of them for testing, {target.stat().st_size} bytes")
