"""Weight files of every architecture with fixed pseudo-random values, from the standard library.

The tests write these files when they need them, and tests/reference computes what they should give,
so that no weights have to be kept.  The tables below state names and shapes independently of the
library.

    models.py ARCH CHANNELS OUT.safetensors
"""
import array
import hashlib
import json
import math
import random
import sys

import arrays

CLASSES = [f'class {i}' for i in range(10)]
MEAN = {1: [0.28], 3: [0.48, 0.45, 0.41]}
STD = {1: [0.35], 3: [0.23, 0.22, 0.24]}
EMBEDDING = 128
POOL = 65537  # prime, so that no two filters are alike

CIFAR_BLOCKS = {'cifar-resnet20': 3, 'cifar-resnet32': 5, 'cifar-resnet44': 7, 'cifar-resnet56': 9}
# blocks of the four stages, whether they are bottlenecks
RESNET_BLOCKS = {'resnet18': ((2, 2, 2, 2), False), 'resnet34': ((3, 4, 6, 3), False),
                 'resnet50': ((3, 4, 6, 3), True)}
ARCHITECTURES = ['cnn-small', *CIFAR_BLOCKS, *('cifar-' + name for name in RESNET_BLOCKS),
                 *RESNET_BLOCKS]


def norm(name, width):
    return [(f'{name}.{part}', (width,))
            for part in ('weight', 'bias', 'running_mean', 'running_var')]


def cnn_small(channels):
    shapes, width = [], channels
    for index, out in enumerate((32, 64, 128), 1):
        shapes.append((f'layer{index}.conv.weight', (out, width, 3, 3)))
        shapes += norm(f'layer{index}.bn', out)
        width = out
    return shapes, width


def cifar_resnet(blocks, channels):
    """Shortcuts have no parameters."""
    shapes = [('conv1.weight', (16, channels, 3, 3))] + norm('bn1', 16)
    width = 16
    for stage, out in enumerate((16, 32, 64), 1):
        for block in range(blocks):
            path = f'layer{stage}.{block}'
            shapes += [(f'{path}.conv1.weight', (out, width, 3, 3))] + norm(f'{path}.bn1', out)
            shapes += [(f'{path}.conv2.weight', (out, out, 3, 3))] + norm(f'{path}.bn2', out)
            width = out
    return shapes, width


def resnet(stages, bottleneck, stem, channels):
    shapes = [('conv1.weight', (64, channels, stem, stem))] + norm('bn1', 64)
    width, expansion = 64, 4 if bottleneck else 1
    for stage, count in enumerate(stages, 1):
        inner = 32 << stage
        out = inner * expansion
        for block in range(count):
            path = f'layer{stage}.{block}'
            convs = [(inner, width, 1), (inner, inner, 3), (out, inner, 1)] if bottleneck \
                else [(inner, width, 3), (inner, inner, 3)]
            for index, (to, of, size) in enumerate(convs, 1):
                shapes.append((f'{path}.conv{index}.weight', (to, of, size, size)))
                shapes += norm(f'{path}.bn{index}', to)
            if block == 0 and (stage > 1 or width != out):
                shapes.append((f'{path}.downsample.0.weight', (out, width, 1, 1)))
                shapes += norm(f'{path}.downsample.1', out)
            width = out
    return shapes, width


def shapes_of(arch, channels, head):
    """[(name, shape)] of all parameters and running statistics."""
    if arch == 'cnn-small':
        shapes, features = cnn_small(channels)
    elif arch in CIFAR_BLOCKS:
        shapes, features = cifar_resnet(CIFAR_BLOCKS[arch], channels)
    else:
        stages, bottleneck = RESNET_BLOCKS[arch.removeprefix('cifar-')]
        shapes, features = resnet(stages, bottleneck, 3 if arch.startswith('cifar-') else 7,
                                  channels)
    shapes += [('fc.weight', (len(CLASSES), features)), ('fc.bias', (len(CLASSES),))]
    if head:
        shapes += [('head.0.weight', (features, features)), ('head.0.bias', (features,)),
                   ('head.2.weight', (EMBEDDING, features)), ('head.2.bias', (EMBEDDING,))]
    return shapes


def bounds(name, shape, last_norm):
    """Interval that a tensor's values are drawn from."""
    if name.endswith('running_mean'):
        return -0.3, 0.3
    if name.endswith('running_var'):
        return 0.5, 2.0
    if name.endswith('bias'):
        return -0.2, 0.2
    if len(shape) == 1:
        return (0.1, 0.5) if name.startswith(last_norm) else (0.5, 1.5)
    bound = math.sqrt(6 / math.prod(shape[1:]))  # He's uniform initialisation
    return -bound, bound


def weights(arch, channels, head=True):
    """Float arrays by name: the same on every machine and with every version of Python."""
    generator = random.Random(f'{arch} {channels}')
    pool = [generator.random() for _ in range(POOL)]
    tensors, start = {}, 0
    for name, shape in shapes_of(arch, channels, head):
        block = name.rpartition('.bn')[0]
        last_norm = f'{block}.bn{3 if arch.endswith("50") else 2}.' if block.count('.') else '-'
        low, high = bounds(name, shape, last_norm)
        size = math.prod(shape)
        order = pool[start:] + pool[:start]
        period = array.array('f', [low + (high - low) * u for u in order[:size]])
        values = period * (size // POOL + 1) if size > POOL else period
        tensors[name] = arrays.Array(shape, values[:size])
        start = (start + size) % POOL
    return tensors


def metadata(arch, channels):
    return {'arch': arch, 'classes': json.dumps(CLASSES), 'mean': json.dumps(MEAN[channels]),
            'std': json.dumps(STD[channels])}


def digest(tensors):
    """SHA-256 over names and values, kept beside the results that were computed with them."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + b'\0')
        found.update(arrays.little_endian_bytes(tensors[name].values))
    return found.hexdigest()


def write(arch, channels, path):
    """Writes the weight file and returns the digest of its values."""
    tensors = weights(arch, channels)
    arrays.write_safetensors(path, tensors, metadata(arch, channels))
    return digest(tensors)


if __name__ == '__main__':
    if len(sys.argv) != 4 or sys.argv[1] not in ARCHITECTURES:
        sys.exit(f'{__doc__}\nArchitectures: {" ".join(ARCHITECTURES)}')
    write(sys.argv[1], int(sys.argv[2]), sys.argv[3])
