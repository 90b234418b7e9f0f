"""Does PyTorch answer the same with the weights that a run saved?

    .venv/bin/python tests/parity/check_pytorch.py target/release/trainyard    # packages as for generate_pytorch.py

Trains small networks on the digits for a few steps, reads each `model.safetensors` into the same network in PyTorch by
nothing but a map of names, and holds PyTorch's probabilities for some images against those of `trainyard predict`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from generate_pytorch import Block, VisionTransformer, names, read_safetensors
from PIL import Image
from torch import nn

TOLERANCE = 1e-5
PIPELINE = """
version: 1
name: {name}
dataset:
  source: digits
  train: [shuffle, {{batch: 32}}]
model:
  layers:
    - rescaling: 1/255
{layers}
training:
  loss: sparse_categorical_crossentropy
  epochs: 1
  steps_per_epoch: 20
"""
PLAIN = """
    - conv2d: {filters: 6, kernel_size: 3, padding: same, use_bias: false}
    - batch_normalization: {epsilon: 1e-5}
    - activation: relu
    - residual:
        - conv2d: {filters: 6, kernel_size: 3, padding: same, use_bias: false}
        - batch_normalization: {epsilon: 1e-5}
        - activation: relu
        - conv2d: {filters: 6, kernel_size: 3, padding: same, use_bias: false}
        - batch_normalization: {epsilon: 1e-5}
    - activation: relu
    - max_pooling2d
    - flatten
    - dense: 10
"""
TRANSFORMER = """
    - patch_embedding: {patch_size: 2, embed_dim: 12}
    - class_token
    - position_embedding
    - repeat: {times: 2, layers: [{transformer_block: {embed_dim: 12, num_heads: 3}}]}
    - layer_normalization: {epsilon: 1e-6}
    - first_token
    - dense: 10
"""


class Flatten(nn.Module):
    """Height, width, channel, as our weights of a `dense` behind `flatten` have it."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def plain(size):
    row = [nn.Conv2d(1, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), Block(6, 6, 1)]
    return nn.Sequential(*row, nn.MaxPool2d(2), Flatten(), nn.Linear(6 * (size // 2) ** 2, 10))


def transformer(size):
    return VisionTransformer(2, 12, 3, 2, (size // 2) ** 2, 10, channels=1)


def load(model, saved):
    """Puts `saved` into `model`, every tensor of it."""
    state = {}
    for theirs, ours in names(model).items():
        state[theirs] = torch.cat([saved.pop(n) for n in ours]) if isinstance(ours, list) else saved.pop(ours)
    assert not saved, f"left over: {sorted(saved)}"
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), missing


def check(program, directory, name, layers, build):
    pipeline = directory / f"{name}.yaml"
    pipeline.write_text(PIPELINE.format(name=name, layers=layers.strip("\n")))
    command = [program, "--runs-dir", str(directory / "runs")]
    subprocess.run([*command, "run", "--quiet", str(pipeline)], check=True, stdout=subprocess.DEVNULL)
    (run,) = (path.parent for path in (directory / "runs").rglob("run.json"))
    shape = json.loads((run / "run.json").read_text())["data"]["shape"]
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (8, *shape[:2]), dtype=np.uint8)
    files = []
    for index, image in enumerate(images):
        files.append(str(directory / f"{index}.png"))
        Image.fromarray(image).save(files[-1])
    answer = subprocess.run([*command, "predict", str(run), *files, "--json", "--top", "10"], check=True, capture_output=True)
    ours = np.zeros((len(files), 10), np.float32)
    for index, prediction in enumerate(json.loads(answer.stdout)):
        for rank in prediction["top"]:
            ours[index, int(rank["class"])] = rank["probability"]
    model = build(shape[0]).eval()
    load(model, read_safetensors(run / "model.safetensors"))
    with torch.no_grad():
        theirs = model(torch.from_numpy(images)[:, None].float() / 255).softmax(1).numpy()
    worst = np.abs(ours - theirs).max()
    print(f"{name}: PyTorch is off by at most {worst:.1e}")
    assert worst <= TOLERANCE


def main():
    program = str(Path(sys.argv[1]).resolve())
    for name, layers, build in [("plain", PLAIN, plain), ("transformer", TRANSFORMER, transformer)]:
        with tempfile.TemporaryDirectory() as directory:
            check(program, Path(directory), name, layers, build)


if __name__ == "__main__":
    main()
