"""JPEG files of the size and weight of small photographs, made from CIFAR-10, for measuring input pipelines.

    python benches/peers/jpegs.py DATA_DIR OUT_DIR --images 4000

DATA_DIR holds `cifar-10-batches-bin`. OUT_DIR becomes `train/CLASS/NNNNN.jpg` and, a tenth as many, `test/CLASS/`: 256
by 256 pixels in quality 90. CIFAR-10's images enlarged are too smooth to weigh what photographs do, so noise is added
whose strength falls with its frequency, as detail's does. The same arguments give the same files; where they are there
already, nothing is done.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from cifar10 import read_cifar10
from PIL import Image

SIZE = 256
QUALITY = 90
# Side of the noise's grid, and its standard deviation in grey levels.
DETAIL = {32: 8.0, 64: 8.0, 128: 8.0, 256: 8.0}


def enlarged(image, generator):
    """The image [height, width, 3] in the full size, with detail."""
    pixels = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float32)
    for side, strength in DETAIL.items():
        noise = Image.fromarray(generator.standard_normal((side, side), np.float32) * strength)
        pixels = pixels + np.asarray(noise.resize((SIZE, SIZE), Image.Resampling.BICUBIC))[..., None]
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def write(directory, images, labels, classes, count, seed):
    """Writes `count` images, of every class the same number."""
    for label, name in enumerate(classes):
        (directory / name).mkdir(parents=True)
        for index in np.flatnonzero(labels == label)[: count // len(classes)]:
            image = enlarged(images[index], np.random.default_rng([seed, index]))
            image.save(directory / name / f"{index:05}.jpg", quality=QUALITY)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA_DIR")
    parser.add_argument("out", metavar="OUT_DIR", type=Path)
    parser.add_argument("--images", type=int, default=4000, help="for training, a multiple of 100 (default 4000)")
    arguments = parser.parse_args()
    if arguments.images not in range(100, 50001, 100):
        parser.error("--images needs a multiple of 100, up to 50000")

    # Written last, so that what was interrupted is made anew.
    stamp = arguments.out / "complete"
    what = f"{arguments.images} images of {SIZE} pixels in quality {QUALITY} with {DETAIL}\n"
    if stamp.exists() and stamp.read_text() == what:
        return
    stamp.unlink(missing_ok=True)
    classes = (Path(arguments.data) / "cifar-10-batches-bin" / "batches.meta.txt").read_text().split()
    counts = {"train": arguments.images, "test": arguments.images // 10}
    for seed, ((split, count), arrays) in enumerate(zip(counts.items(), read_cifar10(arguments.data))):
        shutil.rmtree(arguments.out / split, ignore_errors=True)
        write(arguments.out / split, *arrays, classes, count, seed)
    stamp.write_text(what)


if __name__ == "__main__":
    main()
