"""The tutorial's network as one writes it in PyTorch without tuning: eager, float32, NCHW, everything in memory.

    python benches/peers/pytorch_plain.py DATA_DIR --epochs 5 --threads 2

DATA_DIR holds `cifar-10-batches-bin`. One line of JSON per epoch; `seconds` and `images_per_second` are of training
alone. The pixels are scaled once, before the clock starts, and a batch is one indexing operation: nothing here is slow
on purpose.
"""

import argparse
import json
import time

import torch
from cifar10 import read_cifar10, usable_cores
from torch import nn

BATCH = 256


def build():
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    # Keras' initial values, so that the losses of all three programs can be compared.
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def tensors(images, labels):
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 255
    return x, torch.from_numpy(labels).long()


def train_epoch(model, loss_function, optimizer, images, labels):
    model.train()
    total_loss, correct = 0.0, 0
    for indices in torch.randperm(len(images)).split(BATCH):
        x, y = images[indices], labels[indices]
        optimizer.zero_grad()
        logits = model(x)
        loss = loss_function(logits, y)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(x)
        correct += (logits.argmax(1) == y).sum().item()
    return total_loss / len(images), correct / len(images)


@torch.no_grad()
def evaluate(model, loss_function, images, labels):
    model.eval()
    total_loss, correct = 0.0, 0
    for x, y in zip(images.split(BATCH), labels.split(BATCH)):
        logits = model(x)
        total_loss += loss_function(logits, y).item() * len(x)
        correct += (logits.argmax(1) == y).sum().item()
    return total_loss / len(images), correct / len(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA_DIR")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    (train, test) = (tensors(*split) for split in read_cifar10(arguments.data))
    model = build()
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    for epoch in range(1, arguments.epochs + 1):
        start = time.perf_counter()
        loss, accuracy = train_epoch(model, loss_function, optimizer, *train)
        seconds = time.perf_counter() - start
        val_loss, val_accuracy = evaluate(model, loss_function, *test)
        row = {
            "epoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "seconds": seconds,
            "images_per_second": len(train[0]) / seconds,
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
