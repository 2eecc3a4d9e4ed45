"""The architectures in PyTorch, written from their papers and the names in published weights."""
import torch
from torch import nn
from torch.nn import functional as F


class Encoder(nn.Module):
    """What all architectures share: classifier and projection head on pooled features."""

    def __init__(self, features, classes=10, embedding=128):
        super().__init__()
        self.fc = nn.Linear(features, classes)
        self.head = nn.Sequential(nn.Linear(features, features), nn.ReLU(),
                                  nn.Linear(features, embedding))

    def features(self, x):
        return self.body(x).mean(dim=(2, 3))

    def forward(self, x):
        return self.fc(self.features(x))

    def embed(self, x):
        return F.normalize(self.head(self.features(x)), dim=1)


class ConvNormReLU(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class CnnSmall(Encoder):
    def __init__(self, channels):
        super().__init__(128)
        self.layer1 = ConvNormReLU(channels, 32)
        self.layer2 = ConvNormReLU(32, 64)
        self.layer3 = ConvNormReLU(64, 128)

    def body(self, x):
        x = F.max_pool2d(self.layer1(x), 2)
        x = F.max_pool2d(self.layer2(x), 2)
        return self.layer3(x)


class Subsample(nn.Module):
    """Shortcut without parameters: every second pixel, zero channels on both sides."""

    def __init__(self, stride, padding):
        super().__init__()
        self.stride, self.padding = stride, padding

    def forward(self, x):
        return F.pad(x[:, :, ::self.stride, ::self.stride],
                     (0, 0, 0, 0, self.padding, self.padding))


class Block(nn.Module):
    """Basic block or bottleneck; `sizes`: kernel sizes, stride in the first 3x3 convolution."""

    def __init__(self, inputs, widths, sizes, stride, shortcut):
        super().__init__()
        self.count = len(sizes)
        strided = sizes.index(3)
        for i, (width, size) in enumerate(zip(widths, sizes)):
            self.add_module(f'conv{i + 1}', nn.Conv2d(
                inputs, width, size, stride if i == strided else 1, size // 2, bias=False))
            self.add_module(f'bn{i + 1}', nn.BatchNorm2d(width))
            inputs = width
        self.downsample = shortcut

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f'bn{i}')(getattr(self, f'conv{i}')(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class CifarResNet(Encoder):
    """He et al. 2015, section 4.2, option A."""

    def __init__(self, channels, blocks):
        super().__init__(64)
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        width = 16
        for stage, out in enumerate((16, 32, 64), 1):
            layers = []
            for index in range(blocks):
                stride = 2 if stage > 1 and index == 0 else 1
                shortcut = Subsample(2, out // 4) if stride == 2 else None
                layers.append(Block(width, (out, out), (3, 3), stride, shortcut))
                width = out
            self.add_module(f'layer{stage}', nn.Sequential(*layers))

    def body(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x)))


class ResNet(Encoder):
    """`small`: 3x3 stem of stride 1 without pooling."""

    def __init__(self, channels, stages, bottleneck, small):
        expansion = 4 if bottleneck else 1
        super().__init__(512 * expansion)
        self.small = small
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False) if small \
            else nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        width = 64
        for stage, count in enumerate(stages, 1):
            inner, layers = 32 << stage, []
            out = inner * expansion
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1
                shortcut = None
                if stride != 1 or width != out:
                    shortcut = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False),
                                             nn.BatchNorm2d(out))
                widths, sizes = ((inner, inner, out), (1, 3, 1)) if bottleneck \
                    else ((out, out), (3, 3))
                layers.append(Block(width, widths, sizes, stride, shortcut))
                width = out
            self.add_module(f'layer{stage}', nn.Sequential(*layers))

    def body(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.small:
            x = F.max_pool2d(x, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def build(arch, channels):
    if arch == 'cnn-small':
        return CnnSmall(channels)
    depth = int(arch[-2:])
    if arch.startswith('cifar-') and depth in (20, 32, 44, 56):
        return CifarResNet(channels, (depth - 2) // 6)
    stages = (2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3)
    return ResNet(channels, stages, depth == 50, arch.startswith('cifar-'))


def load(arch, channels, tensors, dtype=torch.float64):
    """A network in evaluation mode with the given weights (torch tensors by name)."""
    net = build(arch, channels).to(dtype)
    missing, extra = net.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith('num_batches_tracked')
               and not name.startswith('head.')]
    if missing or extra:
        raise SystemExit(f'{arch}: missing {missing}, extra {extra}')
    return net.eval()
