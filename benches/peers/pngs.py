"""CIFAR-10's test images as PNG files, for measuring predictions.

    python benches/peers/pngs.py DATA_DIR OUT_DIR --images 10000

DATA_DIR holds `cifar-10-batches-bin`. Where the files are there already, nothing is done.
"""

import argparse
from pathlib import Path

from cifar10 import read_cifar10
from PIL import Image


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA_DIR")
    parser.add_argument("out", metavar="OUT_DIR", type=Path)
    parser.add_argument("--images", type=int, default=10000)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    _, (images, _) = read_cifar10(arguments.data)
    for index, image in enumerate(images[: arguments.images]):
        path = arguments.out / f"{index:05}.png"
        if not path.exists():
            Image.fromarray(image).save(path)


if __name__ == "__main__":
    main()
