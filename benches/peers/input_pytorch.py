"""How many images per second PyTorch's DataLoader delivers, without a model.

    python benches/peers/input_pytorch.py memory DATA_DIR --threads 2 --epochs 5 --workers 0 --variant batched
    python benches/peers/input_pytorch.py jpeg JPEGS --threads 2 --epochs 5 --workers 2

`memory` shuffles CIFAR-10, which is in DATA_DIR as `cifar-10-batches-bin`. `jpeg` reads, decodes, resizes and changes
the images of `jpegs.py`; torchvision's own decoder is quicker than the default, Pillow. `disk` decodes and resizes them
once, into `JPEGS/decoded-pytorch.npy`, and reads that through the memory. One line of JSON per epoch.

There are three ways to write `memory` and `disk`: `plain` collates single examples, `batched` draws a batch by one
indexing operation, which NumPy does faster than torch for such small numbers, and `loop` does the same without a
DataLoader.
"""

import numpy as np
import torch
from cifar10 import read_cifar10
from inputs import BATCH, SIZE, argument_parser, measure
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
from torchvision.datasets import ImageFolder
from torchvision.io import decode_image
from torchvision.transforms import v2


class Examples(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return torch.from_numpy(self.images[index]), int(self.labels[index])


class Batches(Examples):
    """Takes many indices at once."""

    def __getitem__(self, indices):
        return torch.from_numpy(self.images[indices]), torch.from_numpy(self.labels[indices])


class Loop:
    """A loop over a permutation, in this process."""

    def __init__(self, dataset, batch):
        self.dataset, self.batch = dataset, batch

    def __iter__(self):
        for indices in torch.randperm(len(self.dataset)).split(self.batch):
            yield self.dataset[indices.numpy()]


def cifar10(directory):
    (images, labels), _ = read_cifar10(directory)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels.astype(np.int64)


def decoded(directory):
    """All images as a mapped file, which is made unless it is there."""
    folder = ImageFolder(directory / "train", v2.Resize((SIZE, SIZE)), loader=decode_image)
    path = directory / "decoded-pytorch.npy"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        shape = (len(folder), 3, SIZE, SIZE)
        images = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        for index, (image, _) in enumerate(folder):
            images[index] = image
        images.flush()
        unfinished.rename(path)
    # Copy on write, for torch wants arrays that may be written to.
    return np.load(path, mmap_mode="c"), np.array(folder.targets)


def jpegs(directory):
    change = v2.Compose(
        [
            v2.Resize((SIZE, SIZE)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
        ]
    )
    return ImageFolder(directory / "train", change, loader=decode_image)


def main():
    parser = argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--variant", choices=["plain", "batched", "loop"], default="plain")
    arguments = parser.parse_args()
    if arguments.workload == "jpeg" and arguments.variant != "plain":
        parser.error("jpeg is always plain")
    if arguments.variant == "loop" and arguments.workers:
        parser.error("a loop has no workers")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    batch = BATCH[arguments.workload]
    workers = {"num_workers": arguments.workers, "persistent_workers": arguments.workers > 0}
    if arguments.workload == "jpeg":
        dataset = jpegs(arguments.data)
    else:
        arrays = {"memory": cifar10, "disk": decoded}[arguments.workload](arguments.data)
        dataset = (Examples if arguments.variant == "plain" else Batches)(*arrays)
    if arguments.variant == "plain":
        batches = DataLoader(dataset, batch, shuffle=True, **workers)
    elif arguments.variant == "batched":
        sampler = BatchSampler(RandomSampler(dataset), batch, drop_last=False)
        batches = DataLoader(dataset, batch_size=None, sampler=sampler, **workers)
    else:
        batches = Loop(dataset, batch)
    measure(batches, len(dataset), arguments.epochs)


if __name__ == "__main__":
    main()
