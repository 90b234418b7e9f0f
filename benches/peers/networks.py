"""The networks of the pipelines in PyTorch: the tutorial's, in any width and for any size of image, ResNet-20 and
MobileNetV2."""

from torch import nn


def tutorial(image_size=32, width=1.0, classes=10, pool_first=False):
    """The network of `pipelines/cifar10.yaml`; `width` scales all layers but the last one.

    The maximum of a window and ReLU may change places without changing the result; with `pool_first` ReLU then has a
    quarter of the values to look at.
    """

    def scaled(units):
        return max(1, round(units * width))

    def block(inputs, outputs):
        convolution = nn.Conv2d(inputs, outputs, 3, padding="same")
        after = [nn.MaxPool2d(2), nn.ReLU()] if pool_first else [nn.ReLU(), nn.MaxPool2d(2)]
        return [convolution, *after]

    model = nn.Sequential(
        *block(3, scaled(32)),
        *block(scaled(32), scaled(32)),
        *block(scaled(32), scaled(64)),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(scaled(64) * (image_size // 8) ** 2, scaled(128)),
        nn.ReLU(),
        nn.Linear(scaled(128), classes),
    )
    return with_keras_initial_values(model)


class Block(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.convolutions = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            normalization(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            normalization(outputs),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), normalization(outputs))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.activation(self.convolutions(x) + self.shortcut(x))


def resnet20():
    """The network of `benches/pipelines/resnet20.yaml`."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        normalization(16),
        nn.ReLU(inplace=True),
        *[Block(16, 16) for _ in range(3)],
        Block(16, 32),
        *[Block(32, 32) for _ in range(2)],
        Block(32, 64),
        *[Block(64, 64) for _ in range(2)],
        nn.MaxPool2d(8),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    return with_keras_initial_values(model)


def normalization(channels):
    """Batch normalization with Keras' numbers."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


# Of each stage of MobileNetV2: how much wider its blocks are within, its channels, its blocks and the first one's stride.
STAGES = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def divisible(channels):
    """As a multiple of 8 that isn't less than nine tenths."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8


class Bottleneck(nn.Module):
    """A wide depthwise convolution between two narrow ends, and the way around them."""

    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        before = [nn.Conv2d(inputs, wide, 1, bias=False), momentary(wide), nn.ReLU6(inplace=True)]
        self.convolutions = nn.Sequential(
            *(before if expansion > 1 else []),
            nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False),
            momentary(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, outputs, 1, bias=False),
            momentary(outputs),
        )
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.convolutions(x) if self.is_residual else self.convolutions(x)


def mobilenet(alpha=0.35):
    """The network of `benches/pipelines/mobilenet.yaml`."""
    channels = divisible(32 * alpha)
    layers = [nn.Conv2d(3, channels, 3, padding=1, bias=False), momentary(channels), nn.ReLU6(inplace=True)]
    for expansion, outputs, blocks, stride in STAGES:
        for block in range(blocks):
            wanted = divisible(outputs * alpha)
            layers.append(Bottleneck(channels, wanted, 1 if block else stride, expansion))
            channels = wanted
    last = divisible(1280 * max(1.0, alpha))
    layers += [nn.Conv2d(channels, last, 1, bias=False), momentary(last), nn.ReLU6(inplace=True)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    nn.init.xavier_uniform_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    return model


def momentary(channels):
    """Batch normalization whose averages follow soon."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


def with_keras_initial_values(model):
    """So that the losses of all programs can be compared."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def parameter_count(model):
    """As `trainyard summary` counts: with the moving averages of batch normalization."""
    return sum(tensor.numel() for tensor in model.state_dict().values() if tensor.is_floating_point())
