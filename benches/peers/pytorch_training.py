"""The tutorial's network, ResNet-20 or MobileNetV2, as one writes it in PyTorch; everything in memory, with loss and accuracy.

    python benches/peers/pytorch_training.py DATA_DIR --variant plain --epochs 5 --threads 2

DATA_DIR holds `cifar-10-batches-bin`. The variants are what one finds with more and more work:

    plain          eager, float32, NCHW, pixels scaled once before the clock starts, a batch is one indexing operation
    channels-last  the same with model and images in the memory format that convolutions are fastest in
    expert         channels-last, with pooling before ReLU, Adam in one fused operation, and images that stay bytes
                   until their batch is made, so that indexing moves a quarter of the memory
    compiled       channels-last, through torch.compile; expert-compiled: expert, through torch.compile

With `--device cuda` all images lie on the GPU from the beginning on, nothing is waited for but the end of an epoch, and cuDNN
takes the algorithms that it measures to be the fastest; `--precision tf32` lets factors of 32 bits be rounded.

Nothing here is slow on purpose. First comes a line of JSON with the number of parameters and the moment of the first
step, then one per epoch; `seconds` and `images_per_second` are of training alone, and the first epoch also pays for
what is done once. With `--until` training ends with the epoch whose validation accuracy reaches that, and a last line
has the test figures (validation is on the test split, as in the tutorial).
"""

import argparse
import contextlib
import json
import time

import torch
from cifar10 import read_cifar10, usable_cores
from networks import mobilenet, parameter_count, resnet20, tutorial
from torch.nn.functional import cross_entropy

VARIANTS = ["plain", "channels-last", "expert", "compiled", "expert-compiled"]
MADE_UP_CLASSES = 8  # as many as Trainyard's source `synthetic` has


class Images:
    """Images and labels in memory, in the way that suits a variant; gives batches that a model takes."""

    def __init__(self, images, labels, variant, device):
        images = torch.from_numpy(images).to(device)  # [n, height, width, channels]: what channels-last means
        self.labels = torch.from_numpy(labels).long().to(device)
        self.bytes = "expert" in variant
        self.nhwc = variant != "plain"
        if not self.bytes:
            images = images.float() / 255
        self.images = images if self.nhwc else images.permute(0, 3, 1, 2).contiguous()

    def __len__(self):
        return len(self.labels)

    def batch(self, selection):
        x = self.images[selection]
        if self.nhwc:
            x = x.permute(0, 3, 1, 2)
        if self.bytes:
            x = x.float().mul_(1 / 255)
        return x, self.labels[selection]


def precision(arguments):
    """What the forward pass runs in."""
    if arguments.precision == "bfloat16":
        return torch.autocast(arguments.device, torch.bfloat16)
    return contextlib.nullcontext()


def as_told(value, arguments):
    """A number of a step as the sums of the epoch take it: nobody waits for a GPU's."""
    return value.item() if arguments.device == "cpu" else value.detach()


def train_epoch(model, optimizer, images, arguments):
    model.train()
    order = torch.randperm(len(images)).to(arguments.device)
    if arguments.take:
        order = order[: arguments.take]
    total_loss, correct = 0.0, 0
    for indices in order.split(arguments.batch):
        x, y = images.batch(indices)
        optimizer.zero_grad()
        with precision(arguments):
            logits = model(x)
        logits = logits.float()
        loss = cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        total_loss += as_told(loss, arguments) * len(y)
        correct += as_told((logits.argmax(1) == y).sum(), arguments)
    return len(order), float(total_loss) / len(order), float(correct) / len(order)


@torch.inference_mode()
def evaluate(model, images, arguments, batch=256):
    model.eval()
    total_loss, correct = 0.0, 0
    for start in range(0, len(images), batch):
        x, y = images.batch(slice(start, start + batch))
        with precision(arguments):
            logits = model(x)
        logits = logits.float()
        total_loss += cross_entropy(logits, y).item() * len(y)
        correct += (logits.argmax(1) == y).sum().item()
    return total_loss / len(images), correct / len(images)


def made_up(count, size):
    """Random images, for sizes that CIFAR-10 doesn't have: `read_cifar10`'s form."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator).numpy()
    labels = torch.randint(0, MADE_UP_CLASSES, (count,), dtype=torch.uint8, generator=generator).numpy()
    return (images, labels), (images[:256], labels[:256])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA_DIR")
    parser.add_argument("--network", choices=["tutorial", "resnet20", "mobilenet"], default="tutorial")
    parser.add_argument("--variant", choices=VARIANTS, default="plain")
    parser.add_argument("--precision", choices=["float32", "tf32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--take", type=int, metavar="N", help="N images in an epoch, others in each one")
    parser.add_argument("--made-up", type=int, metavar="N", help="N random images in place of CIFAR-10")
    parser.add_argument("--image-size", type=int, default=32, help="of made-up images")
    parser.add_argument("--width", type=float, default=1.0, help="times as many units in each layer of the tutorial's")
    parser.add_argument("--no-validation", action="store_true")
    parser.add_argument("--until", type=float, metavar="ACCURACY")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    if arguments.device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision != "float32"

    arrays = made_up(arguments.made_up, arguments.image_size) if arguments.made_up else read_cifar10(arguments.data)
    train, test = (Images(*split, arguments.variant, arguments.device) for split in arrays)
    del arrays
    expert = "expert" in arguments.variant
    if arguments.network != "tutorial":
        model = {"resnet20": resnet20, "mobilenet": mobilenet}[arguments.network]()
    else:
        classes = MADE_UP_CLASSES if arguments.made_up else 10
        model = tutorial(arguments.image_size, arguments.width, classes, pool_first=expert)
    parameters = parameter_count(model)
    model = model.to(arguments.device)
    if arguments.variant != "plain":
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=expert or None)
    if "compiled" in arguments.variant:
        # The last batch is smaller; two graphs of fixed sizes are faster than one of any size.
        model = torch.compile(model, dynamic=False)

    print(json.dumps({"parameters": parameters, "first_step": time.time()}), flush=True)
    for epoch in range(1, arguments.epochs + 1):
        start = time.perf_counter()
        count, loss, accuracy = train_epoch(model, optimizer, train, arguments)
        seconds = time.perf_counter() - start
        row = {
            "epoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "seconds": seconds,
            "images_per_second": count / seconds,
        }
        if not arguments.no_validation:
            row["val_loss"], row["val_accuracy"] = evaluate(model, test, arguments)
        print(json.dumps(row), flush=True)
        if arguments.until and row["val_accuracy"] >= arguments.until:
            break
    if arguments.until:
        loss, accuracy = evaluate(model, test, arguments)
        print(json.dumps({"test_loss": loss, "test_accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()
