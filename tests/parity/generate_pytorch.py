"""Networks as PyTorch has them, with their weights and what they answer: `pytorch.json` and `pytorch_*.safetensors`.

    .venv/bin/pip install torch==2.11.0 numpy==2.4.6 pillow==13.0.0
    .venv/bin/python tests/parity/generate_pytorch.py

The networks are small ones of the families that our presets build, with the names that torchvision and timm give their
parts. The tests load the files by a map of names. `check_pytorch.py` goes the other way.
"""

import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent


class Block(nn.Module):
    """The basic block of a residual network."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        around = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + around)


class ResNet(nn.Module):
    """ResNet-20 with few channels, or ResNet-18 with the beginning for large images."""

    def __init__(self, depth, width, classes):
        super().__init__()
        self.large = depth == 18
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False) if self.large else nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        blocks, inputs, self.stages = (2 if self.large else 3), width, (4 if self.large else 3)
        for stage in range(self.stages):
            row = []
            for block in range(blocks):
                row.append(Block(inputs, width << stage, 2 if stage > 0 and block == 0 else 1))
                inputs = width << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*row))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.large:
            x = F.max_pool2d(x, 3, 2, 1)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Inverted(nn.Module):
    """The block of MobileNetV2."""

    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        wide, self.adds = inputs * expansion, stride == 1 and inputs == outputs
        row = [] if expansion == 1 else [nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        row += [nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        row += [nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*row)

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class VisionTransformer(nn.Module):
    """The parts that timm's has, with attention as one matrix for queries, keys and values."""

    class Layer(nn.Module):
        def __init__(self, features, heads):
            super().__init__()
            self.norm1 = nn.LayerNorm(features, eps=1e-6)
            self.attn = nn.MultiheadAttention(features, heads, batch_first=True)
            self.norm2 = nn.LayerNorm(features, eps=1e-6)
            self.fc1 = nn.Linear(features, 4 * features)
            self.fc2 = nn.Linear(4 * features, features)

        def forward(self, x):
            y = self.norm1(x)
            x = x + self.attn(y, y, y, need_weights=False)[0]
            return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))

    def __init__(self, patch, features, heads, depth, tokens, classes, channels=3):
        super().__init__()
        self.patch_embed = nn.Conv2d(channels, features, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(features))
        self.pos_embed = nn.Parameter(torch.zeros(tokens + 1, features))
        self.blocks = nn.ModuleList([VisionTransformer.Layer(features, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(features, eps=1e-6)
        self.head = nn.Linear(features, classes)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), 1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def mobilenet(classes):
    """Some blocks of MobileNetV2, as one would write them in a row."""
    row = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()]
    row += [Inverted(8, 8, 1, 1), Inverted(8, 12, 2, 6), Inverted(12, 12, 1, 6)]
    return nn.Sequential(*row, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, classes))


KINDS = {nn.Linear: "dense", nn.BatchNorm2d: "batch_normalization", nn.LayerNorm: "layer_normalization"}
PARTS = {"running_mean": "moving_mean", "running_var": "moving_variance"}


def names(model):
    """What each tensor of `model` is called here: layers of a kind are counted in the order in which they stand."""
    counts, found = {}, {}

    def layer(kind):
        counts[kind] = counts.get(kind, -1) + 1
        return kind if counts[kind] == 0 else f"{kind}_{counts[kind]}"

    for path, module in model.named_modules():
        if path.endswith(".out_proj"):
            continue
        at = f"{path}." if path else ""
        if isinstance(module, VisionTransformer):
            found["cls_token"], found["pos_embed"] = f"{layer('class_token')}.token", f"{layer('position_embedding')}.embeddings"
        elif isinstance(module, nn.MultiheadAttention):
            name = layer("multi_head_attention")
            for theirs, ours in {"weight": "kernel", "bias": "bias"}.items():
                found[f"{at}in_proj_{theirs}"] = [f"{name}.{part}_{ours}" for part in ("query", "key", "value")]
                found[f"{at}out_proj.{theirs}"] = f"{name}.attention_output_{ours}"
        elif isinstance(module, nn.Conv2d):
            kind = "patch_embedding" if path == "patch_embed" else "depthwise_conv2d" if module.groups > 1 else "conv2d"
            name = layer(kind)
            found[f"{at}weight"] = f"{name}.kernel"
            if module.bias is not None:
                found[f"{at}bias"] = f"{name}.bias"
        elif type(module) in KINDS:
            name, is_norm = layer(KINDS[type(module)]), not isinstance(module, nn.Linear)
            found[f"{at}weight"] = f"{name}.{'gamma' if is_norm else 'kernel'}"
            found[f"{at}bias"] = f"{name}.{'beta' if is_norm else 'bias'}"
            if isinstance(module, nn.BatchNorm2d):
                found.update({f"{at}{theirs}": f"{name}.{ours}" for theirs, ours in PARTS.items()})
    return found


def write_safetensors(path, tensors):
    """The format by hand: a header of names, shapes and places, then the numbers."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        array = tensor.detach().contiguous().numpy()
        kind = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """The tensors of a file of 32-bit numbers."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    found = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        found[name] = torch.from_numpy(np.frombuffer(data[begin:end], "<f4").reshape(tensor["shape"]).copy())
    return found


def randomize(model, generator):
    """Weights, means and variances as a trained network might have them."""
    for name, tensor in model.state_dict().items():
        if tensor.dtype == torch.float32:
            spread = 1.0 / max(1, tensor[0].numel()) ** 0.5 if tensor.dim() > 1 else 0.2
            values = torch.randn(tensor.shape, generator=generator) * spread
            is_factor = name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight"))
            tensor.copy_(values.abs() + 0.5 if is_factor else values)


def main():
    generator = torch.Generator().manual_seed(5)
    torch.set_num_threads(1)
    normalized = {"batch_normalization": {"momentum": 0.9, "epsilon": 1e-5}}
    relu6 = [normalized, {"activation": {"function": "relu6"}}]

    def convolution(filters):
        return {"conv2d": {"filters": filters, "kernel_size": 1, "use_bias": False}}

    def depthwise(strides):
        pad = [{"zero_padding2d": {"padding": 1}}]
        return [*pad, {"depthwise_conv2d": {"kernel_size": 3, "strides": strides, "use_bias": False}}, *relu6]

    inverted = [convolution(48), *relu6, *depthwise(2), convolution(12), normalized]
    mobile = [
        {"zero_padding2d": {"padding": 1}},
        {"conv2d": {"filters": 8, "kernel_size": 3, "strides": 2, "use_bias": False}},
        *relu6,
        {"residual": {"layers": [*depthwise(1), convolution(8), normalized]}},
        *inverted,
        {"residual": {"layers": [convolution(72), *relu6, *depthwise(1), convolution(12), normalized]}},
        {"global_average_pooling2d": {}},
        {"dense": {"units": 5}},
    ]
    block = {"transformer_block": {"embed_dim": 8, "num_heads": 2}}
    transformer = [
        {"patch_embedding": {"patch_size": 4, "embed_dim": 8}},
        {"class_token": {}},
        {"position_embedding": {}},
        {"repeat": {"times": 2, "layers": [block]}},
        {"layer_normalization": {"epsilon": 1e-6}},
        {"first_token": {}},
        {"dense": {"units": 5}},
    ]
    cases = []
    for name, model, size, layers in [
        ("resnet20", ResNet(20, 3, 5), 16, [{"resnet": {"depth": 20, "width": 3, "classes": 5}}]),
        ("resnet18", ResNet(18, 2, 5), 48, [{"resnet": {"depth": 18, "width": 2, "classes": 5}}]),
        ("mobilenet", mobilenet(5), 18, mobile),
        ("transformer", VisionTransformer(4, 8, 2, 2, 9, 5), 12, transformer),
    ]:
        model.eval()
        with torch.no_grad():
            randomize(model, generator)
            images = torch.randint(0, 256, (2, size, size, 3), generator=generator)
            output = model(images.permute(0, 3, 1, 2).float() / 255)
        write_safetensors(HERE / f"pytorch_{name}.safetensors", model.state_dict())
        theirs = {n: to for n, to in names(model).items()}
        if any(n.endswith("num_batches_tracked") for n in model.state_dict()):
            theirs["*.num_batches_tracked"] = None
        case = {
            "name": name,
            "layers": [{"rescaling": {"scale": 1 / 255}}, *layers],
            "initial_weights": {"file": f"pytorch_{name}.safetensors", "names": theirs},
            "images": {"shape": list(images.shape), "data": images.flatten().tolist()},
            "output": {"shape": list(output.shape), "data": [float(str(v)) for v in output.numpy().ravel()]},
        }
        cases.append(json.dumps(case, separators=(",", ":")))
    versions = json.dumps({"torch": torch.__version__, "numpy": np.__version__})
    head = f'{{\n  "generator": "tests/parity/generate_pytorch.py",\n  "versions": {versions},\n  "cases": [\n    '
    (HERE / "pytorch.json").write_text(head + ",\n    ".join(cases) + "\n  ]\n}\n")


if __name__ == "__main__":
    main()
