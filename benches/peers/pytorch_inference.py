"""What a trained model says, as one asks it in PyTorch: eager, channels-last, in inference mode.

    python benches/peers/pytorch_inference.py evaluate WEIGHTS DATA_DIR   # accuracy over the 10,000 test images
    python benches/peers/pytorch_inference.py predict WEIGHTS IMAGE...    # classes of files, or of those in folders
    python benches/peers/pytorch_inference.py latency WEIGHTS DATA_DIR    # one image, and a batch, again and again

WEIGHTS is the `model.safetensors` of a run of `pipelines/cifar10.yaml`, DATA_DIR holds `cifar-10-batches-bin`.
`evaluate` prints its figures and the speed of the passes alone, as JSON; `predict` a line for each image with the
five most probable classes; `latency` what `evaluation.latency` in a pipeline measures: from bytes in memory to
probabilities.
"""

import argparse
import json
import struct
import time
from pathlib import Path

import numpy as np
import torch
from cifar10 import read_cifar10, usable_cores
from networks import tutorial
from torch.nn.functional import cross_entropy

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
# The places of the layers with weights in the network, and their names in the file.
LAYERS = {0: "conv2d", 3: "conv2d_1", 6: "conv2d_2", 11: "dense", 13: "dense_1"}


def read_safetensors(path):
    content = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)

    def tensor(entry):
        begin, end = entry["data_offsets"]
        return torch.from_numpy(np.frombuffer(body[begin:end], np.float32).reshape(entry["shape"]).copy())

    return {name: tensor(entry) for name, entry in header.items()}


def load(path):
    model, weights = tutorial(), read_safetensors(path)
    for place, name in LAYERS.items():
        kernel = weights[f"{name}.kernel"]
        if name == "dense":
            # The file's rows follow height, width and channel; flattening in PyTorch gives channel, height and width.
            kernel = kernel.reshape(-1, 4, 4, 64).permute(0, 3, 1, 2).reshape(len(kernel), -1)
        model[place].weight.data.copy_(kernel)
        model[place].bias.data.copy_(weights[f"{name}.bias"])
    return model.to(memory_format=torch.channels_last).eval()


def batch_of(images):
    """Bytes [n, height, width, channels] as a model takes them."""
    return images.permute(0, 3, 1, 2).float().mul_(1 / 255)


@torch.inference_mode()
def evaluate(model, arguments):
    _, (images, labels) = read_cifar10(arguments.inputs[0])
    images, labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    start, loss, correct = time.perf_counter(), 0.0, 0
    for x, y in zip(images.split(arguments.batch), labels.split(arguments.batch)):
        logits = model(batch_of(x))
        loss += cross_entropy(logits, y).item() * len(y)
        correct += (logits.argmax(1) == y).sum().item()
    seconds = time.perf_counter() - start
    figures = {"test_loss": loss / len(labels), "test_accuracy": correct / len(labels)}
    print(json.dumps({**figures, "seconds": seconds, "images_per_second": len(labels) / seconds}))


@torch.inference_mode()
def predict(model, arguments):
    from PIL import Image

    paths = []
    for path in map(Path, arguments.inputs):
        paths += sorted(path.rglob("*.png")) if path.is_dir() else [path]
    for start in range(0, len(paths), arguments.batch):
        some = paths[start : start + arguments.batch]
        images = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in some])
        probabilities, classes = model(batch_of(torch.from_numpy(images))).softmax(1).topk(5)
        for path, row, names in zip(some, probabilities.tolist(), classes.tolist()):
            print(path, *[f"{CLASSES[name]},{value:.6f}" for name, value in zip(names, row)], sep=",")


@torch.inference_mode()
def latency(model, arguments):
    _, (images, _) = read_cifar10(arguments.inputs[0])
    for size in (1, arguments.batch):
        examples, times = torch.from_numpy(images[:size]), []
        start = time.perf_counter()
        # As `evaluation.latency`: 200 times, or for two seconds, whatever ends first.
        while len(times) < 13 or (len(times) < 210 and time.perf_counter() - start < 2):
            begin = time.perf_counter()
            model(batch_of(examples)).softmax(1)
            times.append(time.perf_counter() - begin)
        median = float(np.median(times[10:]))
        print(json.dumps({"batch_size": size, "median": median, "examples_per_second": size / median}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["evaluate", "predict", "latency"])
    parser.add_argument("weights", metavar="WEIGHTS")
    parser.add_argument("inputs", metavar="INPUT", nargs="+")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--batch", type=int, default=256)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    {"evaluate": evaluate, "predict": predict, "latency": latency}[arguments.task](load(arguments.weights), arguments)


if __name__ == "__main__":
    main()
